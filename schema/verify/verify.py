"""Checks known answers of Casewise's formats without any code of the project.

usage: verify.py DIR

DIR holds keytree.json, ledger.json, seal.json and structs.json, such as schema/vectors or what
scripts/vectors writes, and may hold requests.json and evidence.json. Needs Python 3.11 and the
package cryptography. Exit code 0 when every answer is right, 1 at the first that is not.
"""

import hashlib
import hmac
import json
import pathlib
import sys

from ascon import ascon_aead128_encrypt
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

CHUNK = 16_384
checked = 0


def same(name, found, expected):
    global checked
    if found != expected:
        raise SystemExit(f"{name}: found {show(found)}, the file says {show(expected)}")
    checked += 1


def show(value):
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 200 else text[:200] + "…"


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unhex(text):
    return bytes.fromhex(text)


# Borsh


def u8(n):
    return n.to_bytes(1, "little")


def u32(n):
    return n.to_bytes(4, "little")


def u64(n):
    return int(n).to_bytes(8, "little")


def string(text):
    data = text.encode()
    return u32(len(data)) + data


def option(value, encode):
    return b"\0" if value is None else b"\1" + encode(value)


def vector(items, encode):
    return u32(len(items)) + b"".join(encode(item) for item in items)


def party(value):
    if "institution" in value:
        return b"\0" + u32(value["institution"])
    return b"\1" + unhex(value["account"])


# Key tree


def child(key, bit):
    return hmac.new(key, b"casewise/keytree/v1" + u8(bit), hashlib.sha256).digest()


def derive(key, start, depth, to_start, to_depth):
    """The node (to_start, to_depth) below the node (start, depth)."""
    assert depth <= to_depth and to_start >> (32 - depth) == start >> (32 - depth)
    for level in range(depth, to_depth):
        key = child(key, to_start >> (31 - level) & 1)
    return key


def cover(first, last, start=0, depth=0):
    """The fewest nodes covering first..=last, ascending."""
    end = start + (1 << (32 - depth)) - 1
    if last < start or end < first:
        return []
    if first <= start and end <= last:
        return [(start, depth)]
    middle = start + (1 << (31 - depth))
    return cover(first, last, start, depth + 1) + cover(first, last, middle, depth + 1)


def check_keytree(v):
    root = unhex(v["root"])
    for leaf in v["leaves"]:
        same("keytree leaf", derive(root, 0, 0, leaf["index"], 32).hex(), leaf["key"])
    for case in v["restrict"]:
        made = [
            {"start": s, "depth": d, "key": derive(root, 0, 0, s, d).hex()}
            for s, d in cover(case["first"], case["last"])
        ]
        same("keytree restrict", made, case["nodes"])


def key_set(root, nodes):
    return vector(nodes, lambda n: u32(n[0]) + u8(n[1]) + derive(root, 0, 0, n[0], n[1]))


def check_keyset(v):
    root = unhex(v["root"])
    last = (1 << 32) - 1
    same("first key", derive(root, 0, 0, 0, 32).hex(), v["first_key"])
    same("second key", derive(root, 0, 0, 1, 32).hex(), v["second_key"])
    same("key set after one", key_set(root, cover(1, last)).hex(), v["after_advance_1"])
    same("key set after two", key_set(root, cover(2, last)).hex(), v["after_advance_2"])
    punctured = cover(0, 4) + cover(6, last)
    same("key set without 5", key_set(root, punctured).hex(), v["punctured_at_5"])


# Sealed bodies


def padme(n):
    e = n.bit_length() - 1
    s = e.bit_length()
    mask = (1 << (e - s)) - 1
    return (n + mask) & ~mask


def pad(data, minimum):
    total = max(minimum, padme(8 + len(data)))
    return (len(data).to_bytes(8, "big") + data).ljust(total, b"\0")


def expand(prk, info, length):
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + u8(n), hashlib.sha256).digest()
        out, n = out + block, n + 1
    return out[:length]


def seal(key, suite, header, minimum, data):
    okm = expand(key, b"casewise/seal/v1" + u8(suite) + header, 64)
    plain = pad(data, minimum)
    chunks = [plain[i : i + CHUNK] for i in range(0, len(plain), CHUNK)]
    body = b""
    for number, chunk in enumerate(chunks):
        last = u8(number == len(chunks) - 1)
        if suite == 1:
            nonce = number.to_bytes(11, "big") + last
            body += AESGCMSIV(okm[:32]).encrypt(nonce, chunk, None)
        else:
            counter = number.to_bytes(15, "big") + last
            nonce = bytes(a ^ b for a, b in zip(okm[16:32], counter))
            body += ascon_aead128_encrypt(okm[:16], nonce, b"", chunk)
    return okm[32:], body


def leaf_hash(header, commitment, length, digest):
    return sha(b"\0", header, commitment, length.to_bytes(8, "big"), digest)


def seal_data(v):
    if v["data"] is not None:
        return unhex(v["data"])
    if v["name"] == "100 kB":
        return bytes(i * 7 % 256 for i in range(100_000))
    return b"\7" * v["data_len"]


def check_seal(v):
    for case in v["vectors"]:
        data, header = seal_data(case), unhex(case["header"])
        same("seal data", sha(data).hex(), case["data_sha256"])
        commitment, body = seal(unhex(case["otk"]), case["suite"], header, case["minimum"], data)
        same("seal commitment", commitment.hex(), case["commitment"])
        same("seal body length", len(body), case["body_len"])
        same("seal body", sha(body).hex(), case["body_sha256"])
        if case["body"] is not None:
            same("seal body bytes", body.hex(), case["body"])
        same("seal leaf", leaf_hash(header, commitment, len(body), sha(body)).hex(), case["leaf"])


# Merkle trees (RFC 6962)


def node(left, right):
    return sha(b"\1", left, right)


def split(n):
    return 1 << ((n - 1).bit_length() - 1)


def root_of(leaves):
    if not leaves:
        return sha()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(root_of(leaves[:k]), root_of(leaves[k:]))


def path(m, leaves):
    """PATH(m, D[n]) of RFC 6962 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [root_of(leaves[k:])]
    return path(m - k, leaves[k:]) + [root_of(leaves[:k])]


def subproof(m, leaves, whole):
    """SUBPROOF(m, D[n], b) of RFC 6962 2.1.2."""
    if m == len(leaves):
        return [] if whole else [root_of(leaves)]
    k = split(len(leaves))
    if m <= k:
        return subproof(m, leaves[:k], whole) + [root_of(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root_of(leaves[:k])]


def check_ledger(v):
    leaves = [unhex(leaf) for leaf in v["leaves"]]
    for size, expected in v["roots"].items():
        same("root", root_of(leaves[: int(size)]).hex(), expected)
    for case in v["inclusion"]:
        made = path(case["index"], leaves[: case["size"]])
        same("inclusion", [h.hex() for h in made], case["proof"])
    for case in v["consistency"]:
        made = [] if case["from"] == 0 else subproof(case["from"], leaves[: case["to"]], True)
        same("consistency", [h.hex() for h in made], case["proof"])


# Structs


def lane_header(v, case):
    return (
        b"\1"
        + case
        + party(v["author"])
        + u8(v["class"])
        + u32(v["minimum"])
        + u32(v["epoch"])
        + sha(b"casewise/root/v1", unhex(v["root_key"]))
        + option(v["signer"], unhex)
        + option(v["predecessor"], unhex)
        + unhex(v["nonce"])
    )


def entry_header(v, lane):
    beacon = u64(v["beacon"]["height"]) + unhex(v["beacon"]["hash"])
    prev = option(v["prev"], lambda p: unhex(p["lane"]) + u32(p["index"]))
    return b"\1\1" + lane + u32(v["index"]) + u8(v["kind"]) + u64(v["time"]) + beacon + prev


def check_case(v, net):
    card = b"\1" + net + unhex(v["holder"]) + unhex(v["kem"]) + unhex(v["salt"])
    same("card", card.hex(), v["card"])
    case = sha(b"casewise/case/v1", card)
    same("case", case.hex(), v["case"])
    opened = v["open"]
    tail = opened["institution"].to_bytes(4, "big") + int(opened["expires"]).to_bytes(8, "big")
    signed = [
        (opened["recovery"], opened["digest"]),
        (None, opened["digest_without_recovery"]),
    ]
    for recovery, digest in signed:
        message = b"casewise/open/v1" + card + option(recovery, unhex) + tail
        same("open digest", sha(message).hex(), digest)
    rotate = v["rotate"]
    message = b"\1" + case + u32(rotate["epoch"]) + unhex(rotate["holder"]) + unhex(rotate["kem"])
    same("rotate digest", sha(b"casewise/rotate/v1", message).hex(), rotate["digest"])
    return case


def check_entries(entries, lane, root_key):
    leaves = []
    for v in entries:
        header = entry_header(v, lane)
        same("entry header", header.hex(), v["header"])
        key = derive(root_key, 0, 0, v["index"], 32)
        same("one-time key", key.hex(), v["one_time_key"])
        media_type = v["media_type"].encode()
        data = u8(len(media_type)) + media_type + unhex(v["content"])
        commitment, body = seal(key, 1, header, 1024, data)
        same("entry commitment", commitment.hex(), v["commitment"])
        same("entry body length", len(body), v["body_length"])
        same("entry body", sha(body).hex(), v["body_sha256"])
        leaf = leaf_hash(header, commitment, len(body), sha(body))
        same("entry leaf", leaf.hex(), v["leaf"])
        leaves.append(leaf)
    return leaves


def check_grant(v, case):
    def item(i):
        return unhex(i["lane"]) + u32(i["first"]) + u32(i["last"]) + u8(i["follow"])

    opening = (
        b"\1"
        + case
        + party(v["grantee"])
        + option(v["practitioner"], unhex)
        + party(v["author"])
        + string(v["purpose"])
        + vector(v["labels"], string)
        + vector(v["items"], item)
        + u64(v["not_before"])
        + u64(v["not_after"])
        + u64(v["erase_by"])
        + unhex(v["salt"])
    )
    same("opening", opening.hex(), v["opening"])
    commitment = sha(b"casewise/grant/v1", opening)
    same("commitment", commitment.hex(), v["commitment"])
    return commitment


def check_release(v, case, grant, leaves):
    def item(i):
        return unhex(i["lane"]) + u32(i["first"]) + u32(i["last"])

    granted = [leaf for i in v["items"] for leaf in leaves[i["first"] : i["last"] + 1]]
    release = (
        b"\1"
        + case
        + grant
        + party(v["server"])
        + party(v["reader"])
        + option(v["practitioner"], unhex)
        + u32(v["rev"])
        + u64(v["height"])
        + vector(v["items"], item)
        + sha(*granted)
        + unhex(v["nonce"])
        + u64(v["expires"])
    )
    same("release", release.hex(), v["release"])
    same("release digest", sha(b"casewise/release/v1", release).hex(), v["digest"])


def given(value):
    """How an author gave a head."""
    if "anchored" in value:
        return u8(0)
    if "account" in value:
        head = value["account"]
        return u8(1) + u64(head["time"]) + unhex(head["key"]) + unhex(head["sig"])
    head = value["device"]
    return u8(2) + u64(head["time"]) + unhex(head["sig"])


def lead(leaf, index, size, hashes):
    """Root and number of hashes of an inclusion path, by the walk of RFC 9162 2.1.3.2."""
    at, last, used = index, size - 1, 0
    for sibling in hashes:
        if last == 0:
            break
        if at & 1 or at == last:
            leaf = node(sibling, leaf)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            leaf = node(leaf, sibling)
        at, last, used = at >> 1, last >> 1, used + 1
    return leaf, used, last


def check_conflict(v):
    proof = b"\1" + unhex(v["lane"]) + u32(v["index"])
    for side in v["sides"]:
        hashes = [unhex(text) for text in side["path"]]
        found = lead(unhex(side["leaf"]), v["index"], side["size"], hashes)
        same("conflict path", found, (unhex(side["root"]), len(hashes), 0))
        proof += u32(side["size"]) + unhex(side["root"]) + unhex(side["leaf"])
        proof += vector(hashes, lambda text: text) + given(side["given"])
    same("conflict proof", proof.hex(), v["proof"])
    same("leaves differ", v["sides"][0]["leaf"] != v["sides"][1]["leaf"], True)


def check_structs(v):
    network = v["network"]
    net = sha(b"casewise/net/v1", string(network["chain_id"]), unhex(network["registrar"]))
    same("net", net.hex(), network["net"])
    case = check_case(v["case"], net)
    for lane in v["lanes"]:
        header = lane_header(lane, case)
        same("lane header", header.hex(), lane["header"])
        same("lane", sha(b"casewise/lane/v1", header).hex(), lane["lane"])
    first = v["lanes"][0]
    lane, root_key = unhex(first["lane"]), unhex(first["root_key"])
    leaves = check_entries(v["entries"], lane, root_key)
    root = root_of(leaves)
    head = v["head"]
    same("head", (len(leaves), root.hex()), (head["size"], head["root"]))
    size = len(leaves).to_bytes(4, "big")
    message = b"casewise/head/v1" + lane + size + root + int(head["time"]).to_bytes(8, "big")
    same("head message", message.hex(), head["message"])
    same("operator digest", sha(message).hex(), head["operator_digest"])
    r = v["lane_record"]
    record = b"\1" + u8(r["status"]) + u8(r["class"]) + case + party(first["author"])
    record += option(first["signer"], unhex) + u32(r["size"]) + root
    record += u64(r["height"]) + u64(r["time"]) + u32(r["seen"])
    same("lane record", record.hex(), r["value"])
    close = sha(b"casewise/close/v1", unhex(v["close"]["from"]), lane, size, root)
    same("close digest", close.hex(), v["close"]["digest"])
    grant = check_grant(v["grant"], case)
    check_release(v["release"], case, grant, leaves)
    check_keyset(v["keyset"])
    # vectors written before this format was
    if "conflict" in v:
        check_conflict(v["conflict"])


def main():
    import evidence
    import requests

    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    checks = [
        ("keytree", check_keytree),
        ("seal", check_seal),
        ("ledger", check_ledger),
        ("structs", check_structs),
    ]
    for name, check in checks:
        check(json.loads((folder / f"{name}.json").read_text()))
    global checked
    for module in (requests, evidence):
        file = folder / f"{module.__name__}.json"
        if file.exists():
            checked += module.check(json.loads(file.read_text()))
    print(f"{folder}: {checked} answers are right")


if __name__ == "__main__":
    main()
