/* utf_class.c: general categories and simple case mapping, from utf8proc (Unicode 15.0) plus the
 * few additions of Unicode 15.1, which tokenizers in the field were tested with. Pure functions of
 * constant tables. */
#include <utf8proc.h>

#include "utf/utf.h"

/* Classes of U+0000..U+007F. */
const uint16_t ig_utf_class_ascii[128] = {
    0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x0c0, 0x0c0, 0x0c0, 0x0c0,
    0x0c0, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x040,
    0x040, 0x040, 0x040, 0x040, 0x040, 0x040, 0x0a0, 0x008, 0x008, 0x008, 0x010, 0x008, 0x008,
    0x008, 0x008, 0x008, 0x008, 0x010, 0x008, 0x008, 0x008, 0x008, 0x004, 0x004, 0x004, 0x004,
    0x004, 0x004, 0x004, 0x004, 0x004, 0x004, 0x008, 0x008, 0x010, 0x010, 0x010, 0x008, 0x008,
    0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101,
    0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101, 0x101,
    0x008, 0x008, 0x008, 0x010, 0x008, 0x010, 0x201, 0x201, 0x201, 0x201, 0x201, 0x201, 0x201,
    0x201, 0x201, 0x201, 0x201, 0x201, 0x201, 0x201, 0x201, 0x201, 0x201, 0x201, 0x201, 0x201,
    0x201, 0x201, 0x201, 0x201, 0x201, 0x201, 0x008, 0x010, 0x008, 0x010, 0x040,
};

static const uint16_t category_class[] = {
    [UTF8PROC_CATEGORY_CN] = IG_UTF_CONTROL,
    [UTF8PROC_CATEGORY_LU] = IG_UTF_LETTER | IG_UTF_UPPER,
    [UTF8PROC_CATEGORY_LL] = IG_UTF_LETTER | IG_UTF_LOWER,
    [UTF8PROC_CATEGORY_LT] = IG_UTF_LETTER | IG_UTF_UPPER,
    [UTF8PROC_CATEGORY_LM] = IG_UTF_LETTER,
    [UTF8PROC_CATEGORY_LO] = IG_UTF_LETTER,
    [UTF8PROC_CATEGORY_MN] = IG_UTF_MARK,
    [UTF8PROC_CATEGORY_MC] = IG_UTF_MARK,
    [UTF8PROC_CATEGORY_ME] = IG_UTF_MARK,
    [UTF8PROC_CATEGORY_ND] = IG_UTF_NUMBER,
    [UTF8PROC_CATEGORY_NL] = IG_UTF_NUMBER,
    [UTF8PROC_CATEGORY_NO] = IG_UTF_NUMBER,
    [UTF8PROC_CATEGORY_PC] = IG_UTF_PUNCTUATION,
    [UTF8PROC_CATEGORY_PD] = IG_UTF_PUNCTUATION,
    [UTF8PROC_CATEGORY_PS] = IG_UTF_PUNCTUATION,
    [UTF8PROC_CATEGORY_PE] = IG_UTF_PUNCTUATION,
    [UTF8PROC_CATEGORY_PI] = IG_UTF_PUNCTUATION,
    [UTF8PROC_CATEGORY_PF] = IG_UTF_PUNCTUATION,
    [UTF8PROC_CATEGORY_PO] = IG_UTF_PUNCTUATION,
    [UTF8PROC_CATEGORY_SM] = IG_UTF_SYMBOL,
    [UTF8PROC_CATEGORY_SC] = IG_UTF_SYMBOL,
    [UTF8PROC_CATEGORY_SK] = IG_UTF_SYMBOL,
    [UTF8PROC_CATEGORY_SO] = IG_UTF_SYMBOL,
    [UTF8PROC_CATEGORY_ZS] = IG_UTF_SEPARATOR | IG_UTF_SPACE, /* every \p{Z} is White_Space */
    [UTF8PROC_CATEGORY_ZL] = IG_UTF_SEPARATOR | IG_UTF_SPACE,
    [UTF8PROC_CATEGORY_ZP] = IG_UTF_SEPARATOR | IG_UTF_SPACE,
    [UTF8PROC_CATEGORY_CC] = IG_UTF_CONTROL,
    [UTF8PROC_CATEGORY_CF] = IG_UTF_CONTROL,
    [UTF8PROC_CATEGORY_CS] = IG_UTF_CONTROL,
    [UTF8PROC_CATEGORY_CO] = IG_UTF_CONTROL,
};

/* Assigned in Unicode 15.1, unknown to utf8proc 2.8. */
static const struct {
    uint32_t first, last;
    unsigned bits;
} additions[] = {
    {0x2FFC, 0x2FFF, IG_UTF_SYMBOL},
    {0x31EF, 0x31EF, IG_UTF_SYMBOL},
    {0x2EBF0, 0x2EE5D, IG_UTF_LETTER},
};

unsigned ig_utf_class_wide(uint32_t cp) {
    if (cp < 128)
        return ig_utf_class_ascii[cp];
    if (cp == 0x85)
        return IG_UTF_CONTROL | IG_UTF_SPACE;
    if (cp > 0x10FFFF)
        return IG_UTF_CONTROL;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)cp);
    if (ig_unlikely(category == UTF8PROC_CATEGORY_CN)) {
        for (size_t i = 0; i < IG_COUNT(additions); i++)
            if (cp >= additions[i].first && cp <= additions[i].last)
                return additions[i].bits;
    }
    return category_class[category];
}

uint32_t ig_utf_lower(uint32_t cp) {
    if (cp < 128)
        return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    return cp > 0x10FFFF ? cp : (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
}

uint32_t ig_utf_upper(uint32_t cp) {
    if (cp < 128)
        return cp >= 'a' && cp <= 'z' ? cp - 32 : cp;
    return cp > 0x10FFFF ? cp : (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp);
}
