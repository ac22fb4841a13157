/* byte_chars.c: the mapping of bytes to printable characters in byte-level vocabularies: printable
 * Latin-1 stands for itself, the other 68 bytes for U+0100 and up in order. Source: GPT-2's
 * byte-level BPE. */
#include "tokenizer/tokenizer_int.h"

static bool printable(unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/* The bytes that are not printable, in order: 0..0x20, 0x7F..0xA0, 0xAD. */
static unsigned hidden_index(unsigned byte) {
    return byte <= 0x20 ? byte : byte <= 0xA0 ? byte - 0x7F + 0x21 : 0x43;
}

uint32_t ig_byte_to_char(uint8_t byte) {
    return printable(byte) ? byte : 0x100 + hidden_index(byte);
}

int ig_char_to_byte(uint32_t cp) {
    if (cp < 0x100)
        return printable(cp) ? (int)cp : -1;
    unsigned i = cp - 0x100;
    if (i > 0x43)
        return -1;
    return i <= 0x20 ? (int)i : i < 0x43 ? (int)(i - 0x21 + 0x7F) : 0xAD;
}
