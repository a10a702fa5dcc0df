"""Evidence (FORMATS "Evidence"): an independent verifier.

    python3 evidence.py FILE TRUST          verify a file against a trust anchor
    python3 evidence.py --vectors FILE      check the known answers, such as ../vectors/evidence.json

Standard library and `cryptography` only; nothing of the project is imported or run, and no
protobuf library: every byte is read here. Exit code 0 when all holds, 1 when not.
"""

import base64
import hashlib
import json
import re
import sys

from ascon import IV, ascon_aead128_encrypt, permute, words
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from verify import CHUNK, expand, leaf_hash, seal

MAX_FILE = 64 << 20
MAX_ENTRIES = 64
MAX_LINKS = 256
MAX_VALIDATORS = 256
MAX_HEADER = 64 << 10
MAX_PROOF = 16 << 10
ZERO_TIME = -62135596800


class Refused(Exception):
    """Carries the reason code of the first check that fails."""

    def __init__(self, code, detail=""):
        super().__init__(f"{code}: {detail}")
        self.code = code


def require(holds, code, detail=""):
    if not holds:
        raise Refused(code, detail)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# Protobuf, in its one encoding: fields ascending, no default values, shortest numbers.
# A schema is {number: (name, kind)}; kinds: int, bytes, [schema] for one message, {schema} as a
# list for many. Of a message also its raw bytes are kept, under "raw".


def read_varint(data, at):
    value, shift = 0, 0
    while True:
        require(at < len(data) and shift < 70, "encoding", "number cut off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            require(byte != 0 or shift == 7, "encoding", "number not in its shortest form")
            require(value < 1 << 64, "encoding", "number too large")
            return value, at


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def parse(data, schema):
    out, at, last = {"raw": data}, 0, 0
    for name, kind in schema.values():
        out[name] = [] if isinstance(kind, tuple) else {int: 0, bytes: b""}.get(kind) if isinstance(kind, type) else None
    while at < len(data):
        tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        require(number in schema, "encoding", f"unknown field {number}")
        name, kind = schema[number]
        many = isinstance(kind, tuple)
        require(number > last or (many and number == last), "encoding", f"field {name} out of order")
        last = number
        require(wire == (0 if kind is int else 2), "encoding", f"field {name} has another type")
        if kind is int:
            value, at = read_varint(data, at)
            require(value != 0, "encoding", f"field {name} holds its default")
            out[name] = signed(value)
            continue
        length, at = read_varint(data, at)
        require(at + length <= len(data), "encoding", f"field {name} cut off")
        value, at = data[at : at + length], at + length
        if kind is bytes:
            require(value, "encoding", f"field {name} holds its default")
            out[name] = value
        elif many:
            out[name].append(parse(value, kind[0]))
        else:
            out[name] = parse(value, kind)
    return out


TIME = {1: ("seconds", int), 2: ("nanos", int)}
PARTS = {1: ("total", int), 2: ("hash", bytes)}
BLOCK_ID = {1: ("hash", bytes), 2: ("parts", PARTS)}
HEADER = {
    1: ("version", {1: ("block", int), 2: ("app", int)}),
    2: ("chain_id", bytes),
    3: ("height", int),
    4: ("time", TIME),
    5: ("last_block_id", BLOCK_ID),
    6: ("last_commit_hash", bytes),
    7: ("data_hash", bytes),
    8: ("validators_hash", bytes),
    9: ("next_validators_hash", bytes),
    10: ("consensus_hash", bytes),
    11: ("app_hash", bytes),
    12: ("last_results_hash", bytes),
    13: ("evidence_hash", bytes),
    14: ("proposer_address", bytes),
}
VOTE = {1: ("flag", int), 2: ("address", bytes), 3: ("time", TIME), 4: ("signature", bytes)}
COMMIT = {1: ("height", int), 2: ("round", int), 3: ("block_id", BLOCK_ID), 4: ("signatures", (VOTE,))}
SIGNED_HEADER = {1: ("header", HEADER), 2: ("commit", COMMIT)}
VALIDATOR = {1: ("address", bytes), 2: ("key", {1: ("ed25519", bytes)}), 3: ("power", int), 4: ("priority", int)}
VALIDATORS = {1: ("validators", (VALIDATOR,)), 2: ("proposer", VALIDATOR), 3: ("total", int)}
LEAF_OP = {1: ("hash", int), 2: ("prehash_key", int), 3: ("prehash_value", int), 4: ("length", int), 5: ("prefix", bytes)}
INNER_OP = {1: ("hash", int), 2: ("prefix", bytes), 3: ("suffix", bytes)}
EXIST = {1: ("key", bytes), 2: ("value", bytes), 3: ("leaf", LEAF_OP), 4: ("path", (INNER_OP,))}
PROOF = {1: ("exist", EXIST)}


def limited(data, most, field):
    require(len(data) <= most, "too_large", field)


def field_bytes(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def present(value, field):
    require(value is not None, "encoding", f"{field} is missing")
    return value


def read_header(data, field):
    limited(data, MAX_HEADER, field)
    message = parse(data, SIGNED_HEADER)
    header, commit = present(message["header"], field), present(message["commit"], field)
    require(len(commit["signatures"]) <= MAX_VALIDATORS, "too_large", field)
    for name in ("version", "time"):
        present(header[name], f"{field}.{name}")
    parts = [present(commit["block_id"], field)] + ([header["last_block_id"]] if header["last_block_id"] else [])
    for block_id in parts:
        present(block_id["parts"], field)
        require(len(block_id["hash"]) in (0, 32) and len(block_id["parts"]["hash"]) in (0, 32), "encoding", field)
    require(header["height"] == commit["height"] >= 0, "encoding", f"{field}: heights differ")
    require(re.fullmatch(rb"[A-Za-z0-9._-]{1,50}", header["chain_id"]), "encoding", f"{field}: chain id")
    require(0 <= header["time"]["nanos"] < 10**9, "encoding", f"{field}: time")
    require(len(header["proposer_address"]) == 20, "encoding", f"{field}: proposer")
    for vote in commit["signatures"]:
        if vote["flag"] == 1:
            time = present(vote["time"], field)
            absent = not vote["address"] and not vote["signature"] and time["seconds"] == ZERO_TIME and not time["nanos"]
            require(absent, "encoding", f"{field}: an absent vote that says something")
        else:
            require(vote["flag"] == 2, "encoding", f"{field}: a vote for no block")
            present(vote["time"], field)
            require(len(vote["address"]) == 20 and len(vote["signature"]) == 64, "encoding", f"{field}: a vote")
    return header, commit


def read_validators(data, field):
    limited(data, MAX_HEADER, field)
    message = parse(data, VALIDATORS)
    validators = message["validators"]
    require(len(validators) <= MAX_VALIDATORS, "too_large", field)
    for validator in validators:
        key = present(validator["key"], field)["ed25519"]
        require(len(key) == 32 and sha(key)[:20] == validator["address"], "encoding", f"{field}: address")
        require(validator["priority"] == 0 and validator["power"] >= 0, "encoding", f"{field}: priority or power")
    require(message["proposer"] is None, "encoding", f"{field}: proposer")
    require(message["total"] == sum(v["power"] for v in validators), "encoding", f"{field}: total power")
    order = [(-v["power"], v["address"]) for v in validators]
    require(order == sorted(order), "encoding", f"{field}: order")
    return validators


def simple_root(items, leaf=lambda item: sha(b"\0", item)):
    if not items:
        return sha()
    if len(items) == 1:
        return leaf(items[0])
    middle = 1 << (len(items) - 1).bit_length() - 1
    return sha(b"\1", simple_root(items[:middle], leaf), simple_root(items[middle:], leaf))


def header_hash(header):
    def wrapped(name):
        return field_bytes(1, header[name]) if header[name] else b""

    last = header["last_block_id"]["raw"] if header["last_block_id"] else b"\x12\x00"
    height = b"\x08" + varint(header["height"]) if header["height"] else b""
    names = ["last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash",
             "app_hash", "last_results_hash", "evidence_hash", "proposer_address"]
    fields = [header["version"]["raw"], wrapped("chain_id"), height, header["time"]["raw"], last]
    return simple_root(fields + [wrapped(name) for name in names])


def set_hash(validators):
    return simple_root([
        field_bytes(1, v["key"]["raw"]) + (b"\x10" + varint(v["power"]) if v["power"] else b"") for v in validators
    ])


def sign_bytes(header, commit, vote):
    block_id = commit["block_id"]
    out = b"\x08\x02\x11" + commit["height"].to_bytes(8, "little")
    if commit["round"]:
        out += b"\x19" + commit["round"].to_bytes(8, "little")
    out += field_bytes(4, block_id["raw"])
    out += field_bytes(5, vote["time"]["raw"]) + field_bytes(6, header["chain_id"])
    return varint(len(out)) + out


# Blocks


def verify_vote(header, commit, vote, validator):
    try:
        key = Ed25519PublicKey.from_public_bytes(validator["key"]["ed25519"])
        key.verify(vote["signature"], sign_bytes(header, commit, vote))
        return True
    except InvalidSignature:
        return False


def check_block(header, commit, validators, anchor, trusted, before, field):
    require(header["chain_id"].decode() == anchor["chain_id"], "chain_id", field)
    height, time = header["height"], (header["time"]["seconds"], header["time"]["nanos"])
    if before is None:
        require(height >= int(anchor["height"]), "anchor", f"{field}: before the anchor")
    else:
        require(height > before[0] and time > before[1], "link", f"{field}: not after the link before it")
    found = header_hash(header)
    at_anchor = height == int(anchor["height"])
    require(not at_anchor or found.hex() == anchor["header_hash"], "anchor", f"{field}: another header than the anchor")
    require(header["validators_hash"] == trusted, "anchor" if before is None else "link", f"{field}: other validators")
    require(set_hash(validators) == header["validators_hash"], "validators", field)
    require(commit["block_id"]["hash"] == found, "commit", f"{field}: for another header")
    votes = commit["signatures"]
    require(any(vote["flag"] == 2 for vote in votes), "power", f"{field}: nobody signed")
    require(len(votes) == len(validators), "commit", f"{field}: number of votes")
    members = {v["address"]: v for v in validators}
    signers = [vote["address"] for vote in votes if vote["flag"] == 2]
    require(all(signer in members for signer in signers), "commit", f"{field}: signed by a stranger")
    require(len(set(signers)) == len(signers), "commit", f"{field}: signed twice")
    # Votes of those who are needed come first, in the order of the validators.
    total, power = sum(v["power"] for v in validators), 0
    by_address = {vote["address"]: vote for vote in votes if vote["flag"] == 2}
    for validator in validators:
        vote = by_address.get(validator["address"])
        if vote and power * 3 <= total * 2:
            require(verify_vote(header, commit, vote, validator), "signature", field)
            power += validator["power"]
    require(power * 3 > total * 2, "power", f"{field}: {power} of {total}")
    for vote, validator in zip(votes, validators):
        if vote["flag"] == 2:
            require(vote["address"] == validator["address"], "commit", f"{field}: votes out of place")
            require(verify_vote(header, commit, vote, validator), "signature", field)
    return {"height": height, "time": time, "hash": found, "app_hash": header["app_hash"],
            "next": header["next_validators_hash"], "validators": validators}


def follow(file, anchor):
    require(file["chain_id"] == anchor["chain_id"], "chain_id", "the file")
    require(len(file["links"]) <= MAX_LINKS, "too_large", "links")
    trusted, before, sets = bytes.fromhex(anchor["validators_hash"]), None, []

    def accept(header, validators, field):
        read = read_header(header, field)
        return check_block(*read, read_validators(validators, field), anchor, trusted, before, field)

    for number, link in enumerate(file["links"]):
        block = accept(link["header"], link["validators"], f"links[{number}]")
        require(block["next"] != trusted, "link", f"links[{number}]: the validators do not change")
        trusted, before = block["next"], (block["height"], block["time"])
        sets.append((block["height"], block["validators"]))
    block = accept(file["header"], file["validators"], "header")
    sets.append((block["height"], block["validators"]))
    return block, sets


def check_beacon(data, anchor, sets):
    header, commit = read_header(data, "beacon_header")
    validators = next((s for last, s in sets if header["height"] <= last), None)
    require(validators is not None, "beacon", "after the header")
    try:
        return check_block(header, commit, validators, anchor, set_hash(validators), None, "beacon_header")
    except Refused as refused:
        raise Refused("beacon", str(refused)) from None


# Proofs of existence (ICS23, specifications iavl and tendermint)


def zigzag_prefix(data, least):
    """What is left after height, size and version of an IAVL node."""
    at = 0
    for number, low in enumerate((least, 0, 0)):
        value, shift = 0, 0
        while True:
            require(at < len(data) and shift < 70, "proof")
            value |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                break
        value = value >> 1 ^ -(value & 1)
        require(value >= low, "proof")
    return data[at:]


def existence(data, field):
    limited(data, MAX_PROOF, field)
    exist = present(parse(data, PROOF)["exist"], field)
    return exist


def holds(exist, iavl, root, key, value):
    try:
        return existence_root(exist, iavl) == root and exist["key"] == key and exist["value"] == value
    except Refused:
        return False


def existence_root(exist, iavl):
    leaf = exist["leaf"]
    require(leaf and exist["key"] and exist["value"], "proof")
    require((leaf["hash"], leaf["prehash_key"], leaf["prehash_value"], leaf["length"]) == (1, 0, 1, 1), "proof")
    require(leaf["prefix"][:1] == b"\0", "proof")
    if iavl:
        require(zigzag_prefix(leaf["prefix"], 0) == b"", "proof")
    child, low, high = (33, 4, 12) if iavl else (32, 1, 1)
    found = sha(leaf["prefix"], varint(len(exist["key"])), exist["key"], varint(32), sha(exist["value"]))
    for number, step in enumerate(exist["path"]):
        require(step["hash"] == 1 and step["prefix"][:1] != b"\0", "proof")
        require(low <= len(step["prefix"]) <= high + child and len(step["suffix"]) % child == 0, "proof")
        if iavl:
            require(len(zigzag_prefix(step["prefix"], number + 1)) in (1, 34), "proof")
        found = sha(step["prefix"], found, step["suffix"])
    return found


def prove(state, app_hash, field, codes):
    store = existence(state["store"], f"{field}.store")
    root = store["value"]
    require(holds(store, False, app_hash, b"wasm", root), codes[0], f"{field}.store")
    iavl = existence(state["iavl"], f"{field}.iavl")
    require(holds(iavl, True, root, state["key"], state["value"]), codes[1], f"{field}.iavl")


# Borsh


class Borsh:
    """Reads a value; any fault becomes the code given."""

    def __init__(self, data, code):
        self.data, self.at, self.code = data, 0, code

    def take(self, length):
        require(self.at + length <= len(self.data), self.code, "cut off")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, length):
        return int.from_bytes(self.take(length), "little")

    def below(self, count):
        tag = self.number(1)
        require(tag < count, self.code, "unknown tag")
        return tag

    def version(self):
        require(self.number(1) == 1, self.code, "version")

    def option(self, length):
        return self.take(length) if self.below(2) else None

    def party(self):
        return ("account", self.take(20)) if self.below(2) else ("institution", self.number(4))

    def end(self, value):
        require(self.at == len(self.data), self.code, "trailing bytes")
        return value


def read_lane_header(data):
    b = Borsh(data, "encoding")
    b.version()
    lane = {"case": b.take(32), "author": b.party(), "class": b.below(2), "minimum": b.number(4), "epoch": b.number(4),
            "root": b.take(32), "signer": b.option(32), "predecessor": b.option(32), "nonce": b.take(16)}
    lane["id"] = sha(b"casewise/lane/v1", data)
    return b.end(lane)


def read_lane_record(data):
    b = Borsh(data, "state_value")
    b.version()
    return b.end({"status": b.below(3), "class": b.below(2), "case": b.take(32), "author": b.party(), "signer": b.option(32),
                  "size": b.number(4), "root": b.take(32), "height": b.number(8), "time": b.number(8), "seen": b.number(4)})


def read_entry_header(data):
    b = Borsh(data, "encoding")
    b.version()
    entry = {"suite": b.number(1), "lane": b.take(32), "index": b.number(4), "kind": b.below(7), "time": b.number(8),
             "beacon": (b.number(8), b.take(32)), "prev": b.option(36)}
    require(entry["suite"] in (1, 2) and entry["index"] < 2**32 - 1, "encoding", "suite or index")
    prev = entry["prev"] is not None
    require(prev if entry["kind"] == 3 else not prev or entry["kind"] == 0, "encoding", "prev")
    require(entry["beacon"][0] or entry["beacon"][1] == bytes(32), "encoding", "beacon")
    return b.end(entry)


def text(b):
    try:
        return b.take(b.number(4)).decode()
    except UnicodeDecodeError:
        raise Refused(b.code, "text") from None


def store_key(contract, namespace, ident):
    return b"\3" + bytes.fromhex(contract) + len(namespace).to_bytes(2, "big") + namespace + ident


def check_records(file, anchor, block):
    for field in ("state", "author"):
        require(file[field]["height"] + 1 == block["height"], "height", field)
    prove(file["state"], block["app_hash"], "state", ("app_hash", "store"))
    lane = read_lane_header(file["lane_header"])
    summary = next((s for s in anchor["summary"] if s["address"] == file["contract"]), None)
    require(summary, "contract")
    require(summary["code_checksum"] == file["code_checksum"], "code_checksum")
    require(file["state"]["key"] == store_key(file["contract"], b"lane", lane["id"]), "state_key")
    record = read_lane_record(file["state"]["value"])
    require(record["case"] == lane["case"], "case")
    require(record["author"] == lane["author"], "author")
    require(record["class"] == lane["class"] and record["signer"] == lane["signer"], "lane")
    prove(file["author"], block["app_hash"], "author", ("author_proof", "author_proof"))
    return lane, record, check_author(file["author"], anchor, lane)


def check_author(state, anchor, lane):
    kind, ident = lane["author"]
    b = Borsh(state["value"], "author_value")
    if kind == "institution":
        require(state["key"] == store_key(anchor["registrar"], b"inst", ident.to_bytes(4, "big")), "author_key")
        b.version()
        b.below(2), b.below(3), b.take(20), b.take(32), b.number(4), b.number(8)
        return b.end(text(b))
    require(state["key"] == store_key(anchor["registrar"], b"id", lane["case"]), "author_key")
    b.version()
    holder = b.take(20)
    b.take(32), b.number(4), b.number(4), b.below(2), b.number(8)
    b.end(None)
    require(holder == ident, "author_key")
    return "holder " + holder.hex()


# Entries


def inclusion_root(leaf, index, size, path):
    """RFC 6962 2.1.1, from the leaf up."""
    found, last = leaf, size - 1
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            found = sha(b"\1", sibling, found)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = sha(b"\1", found, sibling)
        index, last = index >> 1, last >> 1
    return found if last == 0 else None


def ascon_decrypt(key, nonce, sealed):
    """Undoes the encryption, then encrypts again to check every byte."""
    k, s = words(key), [IV, *words(key), *words(nonce)]
    permute(s, 12)
    s[3] ^= k[0]
    s[4] ^= k[1] ^ 1 << 63
    data, plain = sealed[:-16], b""
    for start in range(0, len(data), 16):
        part = data[start : start + 16]
        stream = s[0].to_bytes(8, "little") + s[1].to_bytes(8, "little")
        plain += bytes(a ^ b for a, b in zip(part, stream))
        s[0], s[1] = words(part + stream[len(part) :])
        permute(s, 8)
    require(ascon_aead128_encrypt(key, nonce, b"", plain) == sealed, "entry_chunk")
    return plain


def unseal(key, header, suite, body):
    okm = expand(key, b"casewise/seal/v1" + bytes([suite]) + header, 64)
    chunks = [body[i : i + CHUNK + 16] for i in range(0, len(body), CHUNK + 16)]
    plain = b""
    for number, chunk in enumerate(chunks):
        last = bytes([number == len(chunks) - 1])
        require(len(chunk) > 16, "entry_body_length")
        try:
            if suite == 1:
                plain += AESGCMSIV(okm[:32]).decrypt(number.to_bytes(11, "big") + last, chunk, None)
            else:
                nonce = bytes(a ^ b for a, b in zip(okm[16:32], number.to_bytes(15, "big") + last))
                plain += ascon_decrypt(okm[:16], nonce, chunk)
        except InvalidTag:
            raise Refused("entry_chunk") from None
    return plain


def open_entry(entry, header, minimum):
    key, body = entry.get("one_time_key"), entry.get("body")
    if body is not None:
        require(len(body) == entry["body_length"], "entry_body_length")
        require(sha(body) == bytes.fromhex(entry["body_sha256"]), "entry_body_hash")
    if key is None:
        return None
    key, suite = bytes.fromhex(key), header["suite"]
    commitment = expand(key, b"casewise/seal/v1" + bytes([suite]) + entry["header"], 64)[32:]
    require(commitment.hex() == entry["commitment"], "entry_commitment")
    if body is None:
        return None
    plain = unseal(key, entry["header"], suite, body)
    length = int.from_bytes(plain[:8], "big")
    require(length <= len(plain) - 8, "entry_data_length")
    data = plain[8 : 8 + length]
    require(seal(key, suite, entry["header"], minimum, data) == (commitment, body), "entry_padding")
    require(data and 1 + data[0] <= len(data), "entry_media_type")
    media = data[1 : 1 + data[0]]
    require(bool(media) == (header["kind"] in (0, 3, 5)), "entry_media_type")
    require(not media or re.fullmatch(rb"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+ *(;[ -@\[-~]*)?", media), "entry_media_type")
    return media.decode(), data[1 + data[0] :]


def check_entries(file, anchor, lane, record, sets):
    entries, inclusion = file["entries"], file["inclusion"]
    require(len(entries) <= MAX_ENTRIES, "too_large", "entries")
    indexes = [proof["index"] for proof in inclusion]
    ascending = all(a < b for a, b in zip(indexes, indexes[1:]))
    require(entries and len(entries) == len(inclusion) and ascending, "entries")
    beacon = check_beacon(file["beacon_header"], anchor, sets) if "beacon_header" in file else None
    proven, opened = 0, []
    for entry, proof in zip(entries, inclusion):
        require(proof["size"] == record["size"], "head")
        header = read_entry_header(entry["header"])
        require(len(proof["path"]) % 32 == 0, "encoding", "path")
        path = [proof["path"][i : i + 32] for i in range(0, len(proof["path"]), 32)]
        require(header["lane"] == lane["id"], "entry_entry_lane")
        require(header["index"] == proof["index"], "entry_position")
        allowed = header["kind"] in (1, 2, 4, 6) if lane["class"] else header["kind"] != 1
        require(allowed, "entry_kind")
        leaf = leaf_hash(entry["header"], bytes.fromhex(entry["commitment"]), entry["body_length"],
                         bytes.fromhex(entry["body_sha256"]))
        require(header["index"] < record["size"], "entry_inclusion")
        require(inclusion_root(leaf, header["index"], record["size"], path) == record["root"], "entry_inclusion")
        opened.append(open_entry(entry, header, lane["minimum"]))
        proven += beacon is not None and header["beacon"] == (beacon["height"], beacon["hash"])
    require(beacon is None or proven, "beacon", "of no entry")
    return opened


# The file


def hex_of(length):
    return lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{%d}" % (2 * length), value)


def u32(value):
    return type(value) is int and 0 <= value < 2**32


def decimal(value):
    return isinstance(value, str) and re.fullmatch("0|[1-9][0-9]{0,19}", value) and int(value) < 2**64


def b64(value):
    try:
        return isinstance(value, str) and base64.b64encode(base64.b64decode(value, validate=True)).decode() == value
    except ValueError:
        return False


STATE = {"height": decimal, "iavl": b64, "key": b64, "store": b64, "value": b64}
ENTRY = {"body?": b64, "body_length": decimal, "body_sha256": hex_of(32), "commitment": hex_of(32), "header": b64,
         "one_time_key?": hex_of(32)}
FILE = {"author": STATE, "beacon_header?": b64, "chain_id": lambda value: isinstance(value, str),
        "code_checksum": hex_of(32), "contract": hex_of(32), "entries": [ENTRY], "header": b64,
        "inclusion": [{"index": u32, "path": b64, "size": u32}], "lane_header": b64,
        "links": [{"header": b64, "validators": b64}], "state": STATE, "v": u32, "validators": b64}


def shaped(value, shape, where):
    """The value with base64 and decimal strings read, or a refusal."""
    if isinstance(shape, list):
        require(isinstance(value, list), "format", where)
        return [shaped(item, shape[0], where) for item in value]
    if isinstance(shape, dict):
        require(isinstance(value, dict), "format", where)
        names = {name.rstrip("?") for name in shape}
        needed = {name for name in shape if not name.endswith("?")}
        require(needed <= set(value) <= names, "format", f"{where}: fields {sorted(value)}")
        return {n: shaped(value[n], shape.get(n) or shape[n + "?"], f"{where}.{n}") for n in value}
    require(shape(value), "format", where)
    return base64.b64decode(value) if shape is b64 else int(value) if shape is decimal else value


def read(data):
    limited(data, MAX_FILE, "the file")
    try:
        raw = json.loads(data.decode())
    except ValueError as error:
        raise Refused("format", str(error)) from None
    canonical = json.dumps(raw, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    require(canonical == data, "format", "not in its canonical spelling")
    return shaped(raw, FILE, "file")


def verify(data, anchor):
    """What the file shows, or Refused."""
    file = read(data)
    require(file["v"] == 1, "version")
    block, sets = follow(file, anchor)
    lane, record, author = check_records(file, anchor, block)
    opened = check_entries(file, anchor, lane, record, sets)
    return {"lane": lane["id"].hex(), "author": author, "size": record["size"], "height": file["state"]["height"],
            "time": record["time"], "opened": sum(item is not None for item in opened), "entries": len(opened)}


def outcome(data, anchor):
    try:
        verify(data, anchor)
        return None
    except Refused as refused:
        return refused.code


def changed(original, changes):
    merged = {**original, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def check(vectors):
    """Checks a whole file of vectors; returns how many cases it holds."""
    for case in vectors["accepted"]:
        found = outcome(case["file"].encode(), case["anchor"])
        if found is not None:
            raise SystemExit(f"evidence: {case['name']}: refused for {found}")
    good = vectors["accepted"][0]
    file = json.loads(good["file"])
    for case in vectors["refused"]:
        data = json.dumps(changed(file, case["file"]), separators=(",", ":"), sort_keys=True).encode()
        found = outcome(data, changed(good["anchor"], case["anchor"]))
        if found != case["code"]:
            raise SystemExit(f"evidence: {case['name']}: {found}, the file says {case['code']}")
    flips = check_flips(good)
    return len(vectors["accepted"]) + len(vectors["refused"]) + flips


def check_flips(good):
    """One changed byte at places all over the file must be refused."""
    data = good["file"].encode()
    places = range(0, len(data), 31)
    for at in places:
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        if outcome(flipped, good["anchor"]) is None:
            raise SystemExit(f"evidence: byte {at} can be changed")
    return len(places)


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    if sys.argv[1] == "--vectors":
        with open(sys.argv[2], encoding="utf-8") as source:
            print(f"evidence: {check(json.load(source))} cases hold")
        return
    with open(sys.argv[1], "rb") as source:
        data = source.read(MAX_FILE + 1)
    with open(sys.argv[2], encoding="utf-8") as source:
        anchor = json.load(source)
    try:
        print(json.dumps(verify(data, anchor)))
    except Refused as refused:
        raise SystemExit(f"refused: {refused}") from None


if __name__ == "__main__":
    main()
