"""Ascon-AEAD128 (NIST SP 800-232), encryption only."""

MASK = (1 << 64) - 1
IV = 0x00001000808C0001
ROUND_CONSTANTS = [0xF0, 0xE1, 0xD2, 0xC3, 0xB4, 0xA5, 0x96, 0x87, 0x78, 0x69, 0x5A, 0x4B]


def rotate(word, n):
    return (word >> n | word << (64 - n)) & MASK


def permute(s, rounds):
    for constant in ROUND_CONSTANTS[12 - rounds :]:
        s[2] ^= constant
        s[0] ^= s[4]
        s[4] ^= s[3]
        s[2] ^= s[1]
        t = [~s[i] & MASK & s[(i + 1) % 5] for i in range(5)]
        for i in range(5):
            s[i] ^= t[(i + 1) % 5]
        s[1] ^= s[0]
        s[0] ^= s[4]
        s[3] ^= s[2]
        s[2] ^= MASK
        s[0] ^= rotate(s[0], 19) ^ rotate(s[0], 28)
        s[1] ^= rotate(s[1], 61) ^ rotate(s[1], 39)
        s[2] ^= rotate(s[2], 1) ^ rotate(s[2], 6)
        s[3] ^= rotate(s[3], 10) ^ rotate(s[3], 17)
        s[4] ^= rotate(s[4], 7) ^ rotate(s[4], 41)


def words(data):
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]


def blocks(data):
    """Blocks of 16 bytes, the last padded with 1 and zeros."""
    padded = data + b"\1"
    padded = padded.ljust((len(padded) + 15) // 16 * 16, b"\0")
    return [words(padded[i : i + 16]) for i in range(0, len(padded), 16)]


def ascon_aead128_encrypt(key, nonce, associated, plain):
    k, s = words(key), [IV, *words(key), *words(nonce)]
    permute(s, 12)
    s[3] ^= k[0]
    s[4] ^= k[1]
    if associated:
        for a, b in blocks(associated):
            s[0] ^= a
            s[1] ^= b
            permute(s, 8)
    s[4] ^= 1 << 63
    out = b""
    for number, (a, b) in enumerate(blocks(plain)):
        if number:
            permute(s, 8)
        s[0] ^= a
        s[1] ^= b
        out += s[0].to_bytes(8, "little") + s[1].to_bytes(8, "little")
    s[2] ^= k[0]
    s[3] ^= k[1]
    permute(s, 12)
    tag = (s[3] ^ k[0]).to_bytes(8, "little") + (s[4] ^ k[1]).to_bytes(8, "little")
    return out[: len(plain)] + tag
