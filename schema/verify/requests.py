"""Signed requests and responses (FORMATS "Requests"): an independent check of the vectors.

    python3 requests.py ../vectors/requests.json             check a file
    python3 requests.py --write ../vectors/requests.json     make it, from --seed N (default 0)

Standard library and `cryptography` only; nothing of the project is imported or run.
"""

import argparse
import base64
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
LIFE = 300
SKEW = 30
REQUEST = '("@method" "@authority" "@path" "@query" "content-digest" "casewise-net")'
RESPONSE = '("@status" "content-digest" "casewise-net" "signature";req;key="casewise")'
TAIL = r';keyid="([0-9a-f]{66})";alg="ecdsa-secp256k1-sha256";tag="casewise-v1"'
REQUEST_INPUT = re.compile(
    "casewise=" + re.escape(REQUEST)
    + r';created=([1-9][0-9]{0,14});expires=([1-9][0-9]{0,14});nonce="([A-Za-z0-9_-]{21}[AQgw])"' + TAIL
)
RESPONSE_INPUT = re.compile("casewise=" + re.escape(RESPONSE) + r";created=([1-9][0-9]{0,14})" + TAIL)
NAMES = ["content-digest", "casewise-net", "signature-input", "signature"]


class Refused(Exception):
    """Carries the code of the first rule broken."""


def b64(data):
    return base64.b64encode(data).decode()


def digest_field(body):
    return "sha-256=:%s:" % b64(hashlib.sha256(body).digest())


def public(secret):
    key = ec.derive_private_key(secret, ec.SECP256K1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def sign(secret, base):
    key = ec.derive_private_key(secret, ec.SECP256K1())
    der = key.sign(base.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    s = min(s, ORDER - s)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(key, base, signature):
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if s > ORDER // 2:
        raise Refused("signature")
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), key)
    except ValueError:
        raise Refused("parameter") from None
    try:
        point.verify(encode_dss_signature(r, s), base.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refused("signature") from None


def request_base(m, digest, net, params):
    return "\n".join([
        '"@method": ' + m["method"],
        '"@authority": ' + m["authority"].lower(),
        '"@path": ' + m["path"],
        '"@query": ?' + (m["query"] or ""),
        '"content-digest": ' + digest,
        '"casewise-net": ' + net,
        '"@signature-params": ' + params,
    ])


def response_base(status, digest, net, request_signature, params):
    return "\n".join([
        '"@status": %d' % status,
        '"content-digest": ' + digest,
        '"casewise-net": ' + net,
        '"signature";req;key="casewise": :%s:' % b64(request_signature),
        '"@signature-params": ' + params,
    ])


def fields(headers):
    out = {}
    for name in NAMES:
        values = [value for given, value in headers if given == name]
        if not values:
            raise Refused("missing")
        if len(values) > 1:
            raise Refused("repeated")
        out[name] = values[0]
    return out


def byte_sequence(text, prefix, length):
    match = re.fullmatch(re.escape(prefix) + r":([A-Za-z0-9+/]+={0,2}):", text)
    try:
        data = base64.b64decode(match.group(1), validate=True)
    except Exception:
        raise Refused("malformed") from None
    if len(data) != length or b64(data) != match.group(1):
        raise Refused("malformed")
    return data


def match_input(text, pattern, components):
    match = pattern.fullmatch(text)
    if match:
        return match
    if not text.startswith("casewise="):
        raise Refused("malformed")
    if not text.startswith("casewise=" + components):
        raise Refused("components")
    if pattern.match(text):
        raise Refused("malformed")
    raise Refused("parameter")


def common(f, net, body):
    if not re.fullmatch("[0-9a-f]{64}", f["casewise-net"]):
        raise Refused("malformed")
    if f["casewise-net"] != net:
        raise Refused("net")
    given = byte_sequence(f["content-digest"], "sha-256=", 32)
    if given != hashlib.sha256(body).digest():
        raise Refused("digest")


def check_request(m, net, authorities):
    """Returns (key, nonce, expires in ms, signature), or raises Refused."""
    f = fields(m["headers"])
    match = match_input(f["signature-input"], REQUEST_INPUT, REQUEST)
    signature = byte_sequence(f["signature"], "casewise=", 64)
    if m["authority"].lower() not in authorities:
        raise Refused("authority")
    common(f, net, bytes.fromhex(m["body"]))
    created, expires, now = int(match.group(1)), int(match.group(2)), int(m["now"])
    if not created < expires <= created + LIFE:
        raise Refused("life")
    if created * 1000 > now + SKEW * 1000:
        raise Refused("future")
    if now >= expires * 1000:
        raise Refused("expired")
    key = bytes.fromhex(match.group(4))
    params = f["signature-input"][len("casewise="):]
    verify(key, request_base(m, f["content-digest"], f["casewise-net"], params), signature)
    nonce = base64.urlsafe_b64decode(match.group(3) + "==")
    return key, nonce, expires * 1000, signature


def check_response(m, net, request_signature):
    """Returns (key, created in ms), or raises Refused."""
    f = fields(m["headers"])
    match = match_input(f["signature-input"], RESPONSE_INPUT, RESPONSE)
    signature = byte_sequence(f["signature"], "casewise=", 64)
    common(f, net, bytes.fromhex(m["body"]))
    created = int(match.group(1))
    if created * 1000 > int(m["now"]) + SKEW * 1000:
        raise Refused("future")
    key = bytes.fromhex(match.group(2))
    params = f["signature-input"][len("casewise="):]
    base = response_base(m["status"], f["content-digest"], f["casewise-net"], request_signature, params)
    verify(key, base, signature)
    return key, created * 1000


def outcome(check, *args):
    try:
        check(*args)
        return None
    except Refused as refused:
        return str(refused)


def expect(condition, name, what):
    if not condition:
        raise AssertionError("requests: %s: %s" % (name, what))


def check(vectors):
    """Checks a whole file of vectors; returns how many cases it holds."""
    net, authorities = vectors["net"], vectors["authorities"]
    signatures = {}
    for m in vectors["requests"]:
        key, nonce, expires, signature = check_request(m, net, authorities)
        signatures[m["name"]] = signature
        f = fields(m["headers"])
        base = request_base(m, f["content-digest"], net, f["signature-input"][len("casewise="):])
        expect(base == m["base"], m["name"], "signature base")
        expect(public(int(m["secret"], 16)) == key, m["name"], "key")
        expect(sign(int(m["secret"], 16), base) == signature, m["name"], "deterministic signature")
        expect(nonce.hex() == m["nonce"] and str(expires) == m["expires"], m["name"], "nonce or expiry")
    for m in vectors["responses"]:
        key, created = check_response(m, net, signatures[m["request"]])
        f = fields(m["headers"])
        params = f["signature-input"][len("casewise="):]
        base = response_base(m["status"], f["content-digest"], net, signatures[m["request"]], params)
        expect(base == m["base"], m["name"], "signature base")
        expect(sign(int(m["secret"], 16), base) == byte_sequence(f["signature"], "casewise=", 64), m["name"], "signature")
        expect(str(created) == m["created"], m["name"], "created")
    for m in vectors["refused_requests"]:
        got = outcome(check_request, m, net, authorities)
        expect(got == m["code"], m["name"], "refused as %s, expected %s" % (got, m["code"]))
    for m in vectors["refused_responses"]:
        got = outcome(check_response, m, net, signatures[m["request"]])
        expect(got == m["code"], m["name"], "refused as %s, expected %s" % (got, m["code"]))
    return sum(len(vectors[k]) for k in ("requests", "responses", "refused_requests", "refused_responses"))


# Making the vectors


def derive(seed, label, length=32):
    return hashlib.shake_256(b"casewise/vectors/requests/%d/" % seed + label.encode()).digest(length)


def make_request(seed, name, method, authority, path, query, body, now, net, expires=None, created=None):
    secret = int.from_bytes(derive(seed, name + "/key"), "big") % (ORDER - 1) + 1
    nonce = derive(seed, name + "/nonce", 16)
    created = now // 1000 if created is None else created
    expires = created + LIFE if expires is None else expires
    params = '%s;created=%d;expires=%d;nonce="%s";keyid="%s";alg="ecdsa-secp256k1-sha256";tag="casewise-v1"' % (
        REQUEST, created, expires, base64.urlsafe_b64encode(nonce).decode().rstrip("="), public(secret).hex())
    m = {"name": name, "secret": "%064x" % secret, "now": str(now), "nonce": nonce.hex(), "expires": str(expires * 1000),
         "method": method, "authority": authority, "path": path, "query": query, "body": body.hex()}
    m["base"] = request_base(m, digest_field(body), net, params)
    m["headers"] = [["content-digest", digest_field(body)], ["casewise-net", net],
                    ["signature-input", "casewise=" + params],
                    ["signature", "casewise=:%s:" % b64(sign(secret, m["base"]))]]
    return m


def make_response(seed, name, request, status, body, now, net):
    secret = int.from_bytes(derive(seed, name + "/key"), "big") % (ORDER - 1) + 1
    params = '%s;created=%d;keyid="%s";alg="ecdsa-secp256k1-sha256";tag="casewise-v1"' % (
        RESPONSE, now // 1000, public(secret).hex())
    signature = byte_sequence(dict(request["headers"])["signature"], "casewise=", 64)
    base = response_base(status, digest_field(body), net, signature, params)
    return {"name": name, "request": request["name"], "secret": "%064x" % secret, "status": status, "now": str(now),
            "created": str(now // 1000 * 1000), "body": body.hex(), "base": base,
            "headers": [["content-digest", digest_field(body)], ["casewise-net", net],
                        ["signature-input", "casewise=" + params],
                        ["signature", "casewise=:%s:" % b64(sign(secret, base))]]}


def changed(m, name, code, headers=None, **parts):
    """A copy of a good message with parts or header values replaced (None removes one)."""
    out = {k: v for k, v in m.items() if k not in ("secret", "base", "nonce", "expires", "created")}
    out.update(name=name, code=code, **parts)
    headers = headers or {}
    out["headers"] = [[n, headers.get(n, v)] for n, v in m["headers"] if headers.get(n, v) is not None]
    return out


def resign(m, components):
    """The message signed with `components` in place of the profile's, as another profile would."""
    lines = {line.split(": ", 1)[0]: line for line in m["base"].split("\n")}
    lines['"user-agent"'] = '"user-agent": x'
    params = dict(m["headers"])["signature-input"].replace("casewise=" + REQUEST, "(" + " ".join(components) + ")")
    base = "\n".join([lines[c] for c in components] + ['"@signature-params": ' + params])
    return {"signature-input": "casewise=" + params, "signature": "casewise=:%s:" % b64(sign(int(m["secret"], 16), base))}


def resign_params(m, params):
    base = m["base"].rsplit("\n", 1)[0] + '\n"@signature-params": ' + params
    return {"signature-input": "casewise=" + params, "signature": "casewise=:%s:" % b64(sign(int(m["secret"], 16), base))}


def refused_requests(seed, m, net, now):
    head = dict(m["headers"])
    given, signature = head["signature-input"], head["signature"]
    params = given[len("casewise="):]
    components = REQUEST[1:-1].split(" ")
    raw = byte_sequence(signature, "casewise=", 64)
    high = raw[:32] + (ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    other = public(int.from_bytes(derive(seed, "other key"), "big") % (ORDER - 1) + 1).hex()
    key = re.search('keyid="([0-9a-f]+)"', given).group(1)
    nonce = re.search('nonce="([^"]+)"', given).group(1)
    created, expires = now // 1000, now // 1000 + LIFE
    cut = {n: re.sub(r';%s=("[^"]*"|[0-9]+)' % n, "", params) for n in ("created", "expires", "nonce", "keyid", "alg", "tag")}
    out = [
        changed(m, "method", "signature", method="PUT"),
        changed(m, "path", "signature", path=m["path"] + "x"),
        changed(m, "query", "signature", query="first=1"),
        changed(m, "query removed", "signature", query=None),
        changed(m, "query moved into the path", "signature", path=m["path"] + "/", query=None),
        changed(m, "another public name of the same service", "signature", authority="agent.example:8443"),
        changed(m, "a name of another service", "authority", authority="other.example"),
        changed(m, "body", "digest", body="00"),
        changed(m, "body and digest", "signature", {"content-digest": digest_field(b"\0")}, body="00"),
        changed(m, "digest of another algorithm", "malformed",
                {"content-digest": "sha-512=:%s:" % b64(hashlib.sha512(bytes.fromhex(m["body"])).digest())}),
        changed(m, "two digests", "malformed", {"content-digest": head["content-digest"] + ", " + head["content-digest"]}),
        changed(m, "net", "net", {"casewise-net": "00" * 32}),
        changed(m, "net in capitals", "malformed", {"casewise-net": net.upper()}),
        changed(m, "created", "signature", {"signature-input": given.replace("created=%d" % created, "created=%d" % (created + 1))}),
        changed(m, "expires", "signature", {"signature-input": given.replace("expires=%d" % expires, "expires=%d" % (expires - 1))}),
        changed(m, "nonce", "signature", {"signature-input": given.replace(nonce, "A" * 22)}),
        changed(m, "nonce of 15 bytes", "parameter", {"signature-input": given.replace(nonce, "A" * 20)}),
        changed(m, "nonce with stray bits", "parameter", {"signature-input": given.replace(nonce, "A" * 21 + "B")}),
        changed(m, "key", "signature", {"signature-input": given.replace(key, other)}),
        changed(m, "key not on the curve", "parameter", {"signature-input": given.replace(key, "02" + "ff" * 32)}),
        changed(m, "key not compressed", "parameter", {"signature-input": given.replace(key, "04" + "11" * 64)}),
        changed(m, "alg", "parameter", {"signature-input": given.replace("ecdsa-secp256k1-sha256", "ecdsa-p256-sha256")}),
        changed(m, "tag", "parameter", {"signature-input": given.replace("casewise-v1", "casewise-v2")}),
        changed(m, "high s", "signature", {"signature": "casewise=:%s:" % b64(high)}),
        changed(m, "signature of zeros", "signature", {"signature": "casewise=:%s:" % b64(bytes(64))}),
        changed(m, "signature of 63 bytes", "malformed", {"signature": "casewise=:%s:" % b64(raw[:63])}),
        changed(m, "another label", "malformed", {"signature-input": given.replace("casewise=", "sig1=", 1),
                                                 "signature": signature.replace("casewise=", "sig1=", 1)}),
        changed(m, "two signatures", "malformed", {"signature": signature + ", " + signature.replace("casewise", "b", 1)}),
        changed(m, "two signature inputs", "malformed", {"signature-input": given + ", " + given.replace("casewise=", "b=", 1)}),
        changed(m, "no components", "components", {"signature-input": given.replace(REQUEST, "()")}),
        changed(m, "an extra component", "components", resign(m, components + ['"user-agent"'])),
        changed(m, "a component left out", "components", resign(m, components[:3] + components[4:])),
        changed(m, "components in another order", "components", resign(m, components[1:2] + components[:1] + components[2:])),
        changed(m, "parameters in another order", "parameter", resign_params(
            m, params.replace(";created=%d;expires=%d" % (created, expires), ";expires=%d;created=%d" % (expires, created)))),
        changed(m, "an extra parameter", "malformed", resign_params(m, params + ';x="y"')),
        changed(m, "a space before a parameter", "parameter", resign_params(m, params.replace(";nonce", "; nonce"))),
        changed(m, "created with a leading zero", "parameter", resign_params(m, params.replace("created=", "created=0"))),
        changed(m, "made 31 s in the future", "future", now=str(now - now % 1000 - 31000)),
        changed(m, "expired", "expired", now=str(expires * 1000)),
    ]
    out += [changed(m, "without " + name, "missing", {name: None}) for name in NAMES]
    out += [changed(m, "parameter %s left out" % n, "parameter", resign_params(m, text)) for n, text in cut.items()]
    for name in NAMES:
        twice = changed(m, name + " twice", "repeated")
        twice["headers"].append([name, head[name]])
        out.append(twice)
    args = (m["method"], m["authority"], m["path"], m["query"], bytes.fromhex(m["body"]), now, net)
    out.append(changed(make_request(seed, "long", *args, expires=created + LIFE + 1), "valid for 301 s", "life"))
    out.append(changed(make_request(seed, "none", *args, expires=created), "valid for no time", "life"))
    return out


def refused_responses(m):
    head = dict(m["headers"])
    given = head["signature-input"]
    return [
        changed(m, "status", "signature", status=404),
        changed(m, "response body", "digest", body="00"),
        changed(m, "response net", "net", {"casewise-net": "11" * 32}),
        changed(m, "answer to another request", "signature", request="upload"),
        changed(m, "not bound to the request", "components",
                {"signature-input": given.replace(' "signature";req;key="casewise"', "")}),
        changed(m, "with an expiry", "parameter", {"signature-input": given.replace(";keyid", ";expires=9999999999;keyid")}),
        changed(m, "made in the future", "future", now=str(int(m["now"]) - 31000 - int(m["now"]) % 1000)),
        changed(m, "without signature", "missing", {"signature": None}),
    ]


def make(seed):
    """The vectors of a seed."""
    net = derive(seed, "net").hex()
    now = 1767225600250 + 1000 * (int.from_bytes(derive(seed, "now", 3), "big") if seed else 0)
    lane = derive(seed, "lane").hex()
    requests = [
        make_request(seed, "page", "GET", "agent.example", "/v1/lanes/%s/entries" % lane, "first=0&limit=256", b"", now, net),
        make_request(seed, "no query", "GET", "Agent.Example", "/v1/cases/%s/lanes" % derive(seed, "case").hex(), None, b"", now, net),
        make_request(seed, "upload", "POST", "agent.example:8443", "/v1/letters", None, derive(seed, "letter", 200), now, net),
        make_request(seed, "escapes", "PUT", "agent.example", "/v1/a%7Cb", "identifier=urn%3Ax%7C1%202&e=", b'{"a":1}', now, net),
        make_request(seed, "last moment", "GET", "agent.example", "/v1/info", "", b"", now, net,
                     created=now // 1000 - LIFE + 1),
        make_request(seed, "slow clock here", "GET", "agent.example", "/v1/info", None, b"", now, net, created=now // 1000 + 30),
    ]
    responses = [
        make_response(seed, "answer", requests[0], 200, b'{"entries":[]}', now, net),
        make_response(seed, "empty answer", requests[2], 204, b"", now, net),
        make_response(seed, "refusal", requests[3], 503, b"{}", now, net),
    ]
    return {
        "format": "FORMATS.md Requests",
        "note": "bytes hex; times Unix ms as decimal strings; query null when absent; code: the first rule broken",
        "net": net, "authorities": ["agent.example", "agent.example:8443"],
        "requests": requests, "responses": responses,
        "refused_requests": refused_requests(seed, requests[0], net, now),
        "refused_responses": refused_responses(responses[0]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.write:
        vectors = make(args.seed)
        check(vectors)
        with open(args.file, "w", encoding="utf-8") as out:
            json.dump(vectors, out, indent=1)
            out.write("\n")
        return 0
    with open(args.file, encoding="utf-8") as source:
        print("requests: %d cases hold" % check(json.load(source)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
