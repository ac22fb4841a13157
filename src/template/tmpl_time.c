/* tmpl_time.c: strftime over a local wall time given in seconds, C locale, no zone (datetime.now()
 * has none). */
#define _POSIX_C_SOURCE 200809L /* localtime_r */
#include "template/template_int.h"

#include <stdio.h>
#include <time.h>

static const char *const DAYS[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const MONTHS[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

typedef struct date {
    int64_t year;
    int month, day, hour, minute, second, week_day,
        year_day; /* month 1.., week_day 0 = Sunday, year_day 0.. */
    int64_t epoch;
} date;

/* Days since 1970 of a civil date and back: years begin in March, 400-year eras. H. Hinnant,
 * "chrono-compatible low-level date algorithms". */
static int64_t days_from_civil(int64_t y, int m, int d) {
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static date date_of(int64_t seconds) {
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100), month = (5 * of_year + 2) / 153;
    date d = {.epoch = seconds};
    d.day = (int)(of_year - (153 * month + 2) / 5 + 1);
    d.month = (int)(month < 10 ? month + 3 : month - 9);
    d.year = y + era * 400 + (d.month <= 2);
    d.hour = (int)(rest / 3600);
    d.minute = (int)(rest / 60 % 60);
    d.second = (int)(rest % 60);
    d.week_day = (int)(((days + 4) % 7 + 7) % 7);
    d.year_day = (int)(days - days_from_civil(d.year, 1, 1));
    return d;
}

/* ISO 8601 week and its year: the week of the Thursday. */
static int iso_week(const date *d, int64_t *year) {
    date thursday = date_of(d->epoch + (3 - (d->week_day + 6) % 7) * (int64_t)86400);
    *year = thursday.year;
    return thursday.year_day / 7 + 1;
}

static ig_status put_number(tmpl_ctx *c, int64_t n, int width, char pad) {
    char text[32];
    int length = pad == '\0'  ? snprintf(text, sizeof text, "%lld", (long long)n)
                 : pad == ' ' ? snprintf(text, sizeof text, "%*lld", width, (long long)n)
                              : snprintf(text, sizeof text, "%0*lld", width, (long long)n);
    return tmpl_put(c, (ig_str){text, (size_t)length});
}

/* Formats that stand for others. */
static const char *composite(char f) {
    switch (f) {
    case 'c':
        return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x':
        return "%m/%d/%y";
    case 'F':
        return "%Y-%m-%d";
    case 'R':
        return "%H:%M";
    case 'T':
    case 'X':
        return "%H:%M:%S";
    case 'r':
        return "%I:%M:%S %p";
    case 'h':
        return "%b";
    default:
        return NULL;
    }
}

/* Numeric formats: value, width, usual padding. */
static bool numeric(const date *d, char f, int64_t *n, int *width, char *pad) {
    int64_t iso_year;
    const int week = iso_week(d, &iso_year);
    const struct {
        char format;
        int64_t n;
        int width;
        char pad;
    } ROWS[] = {
        {'d', d->day, 2, '0'},
        {'e', d->day, 2, ' '},
        {'H', d->hour, 2, '0'},
        {'k', d->hour, 2, ' '},
        {'I', (d->hour + 11) % 12 + 1, 2, '0'},
        {'l', (d->hour + 11) % 12 + 1, 2, ' '},
        {'j', d->year_day + 1, 3, '0'},
        {'m', d->month, 2, '0'},
        {'M', d->minute, 2, '0'},
        {'S', d->second, 2, '0'},
        {'s', d->epoch, 1, '0'},
        {'f', 0, 6, '0'},
        {'u', d->week_day ? d->week_day : 7, 1, '0'},
        {'w', d->week_day, 1, '0'},
        {'U', (d->year_day + 7 - d->week_day) / 7, 2, '0'},
        {'W', (d->year_day + 7 - (d->week_day + 6) % 7) / 7, 2, '0'},
        {'V', week, 2, '0'},
        {'G', iso_year, 4, '0'},
        {'g', iso_year % 100, 2, '0'},
        {'C', d->year / 100, 2, '0'},
        {'y', d->year % 100, 2, '0'},
        {'Y', d->year, 1, '0'},
    };
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        if (ROWS[i].format == f) {
            *n = ROWS[i].n;
            *width = ROWS[i].width;
            *pad = ROWS[i].pad;
            return true;
        }
    }
    return false;
}

static ig_status put_name(tmpl_ctx *c, const char *name, bool abbreviated) {
    return tmpl_put(c, (ig_str){name, abbreviated ? 3 : strlen(name)});
}

static ig_status put_one(tmpl_ctx *c, const date *d, char f, char flag) {
    int64_t n;
    int width;
    char pad;
    if (numeric(d, f, &n, &width, &pad)) {
        pad = flag == '-' ? '\0' : flag == '_' ? ' ' : flag == '0' ? '0' : pad;
        return put_number(c, n, width, pad);
    }
    switch (f) {
    case 'a':
    case 'A':
        return put_name(c, DAYS[d->week_day], f == 'a');
    case 'b':
    case 'B':
        return put_name(c, MONTHS[d->month - 1], f == 'b');
    case 'p':
        return tmpl_put(c, d->hour < 12 ? IG_STR("AM") : IG_STR("PM"));
    case 'P':
        return tmpl_put(c, d->hour < 12 ? IG_STR("am") : IG_STR("pm"));
    case 'n':
        return tmpl_put(c, IG_STR("\n"));
    case 't':
        return tmpl_put(c, IG_STR("\t"));
    case '%':
        return tmpl_put(c, IG_STR("%"));
    case 'z':
    case 'Z':
        return IG_OK;
    default:
        return tmpl_fail(c, IG_EUNSUPPORTED,
                         "strftime format '%%%c' is not supported; use one of C99's", f);
    }
}

static ig_status put_format(tmpl_ctx *c, ig_str format, const date *d) {
    for (size_t i = 0; i < format.n; i++) {
        size_t start = i;
        while (i < format.n && format.p[i] != '%')
            i++;
        IG_TRY(tmpl_put(c, (ig_str){format.p + start, i - start}));
        if (i >= format.n)
            break;
        if (++i >= format.n)
            return tmpl_put(c, IG_STR("%"));
        char flag = strchr("-_0", format.p[i]) && format.p[i] ? format.p[i++] : '\0';
        if (i >= format.n)
            return tmpl_fail(c, IG_EARGUMENT, "strftime format ends after a flag");
        const char *as = composite(format.p[i]);
        if (as)
            IG_TRY(put_format(c, ig_str_of(as), d)); /* composites are made of plain formats */
        else
            IG_TRY(put_one(c, d, format.p[i], flag));
    }
    return IG_OK;
}

ig_status tmpl_put_strftime(tmpl_ctx *c, ig_str format, int64_t local_s) {
    const date d = date_of(local_s);
    IG_TRY(tmpl_charge_scan(c, format.n));
    return put_format(c, format, &d);
}

int64_t tmpl_local_now(void) {
    time_t now = time(NULL);
    struct tm tm;
    if (now == (time_t)-1 || !localtime_r(&now, &tm))
        return 0;
    return days_from_civil((int64_t)tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday) * 86400 +
           tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
}
