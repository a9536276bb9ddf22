"""One look at a remote worker before buildx is started, closed at once: its name, its port, its TLS."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from imageyard.builders.worker import Worker, validate
from imageyard.errors import EnvironmentLacks

__all__ = ["check"]

PATIENCE = 5.0
"""Seconds for a connection, and for a handshake. A pool that keeps us waiting is for the connect phase."""

_LISTENING = 1.0
"""Seconds that the first word of the worker is waited for; TLS 1.3 refuses a client certificate only there."""

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""RFC 9113, 3.4: the preface of a client and an empty SETTINGS frame, after which a server speaks."""

_TLS_ALERT = 0x15  # RFC 8446, 5.1

# openssl(1) verify, "Diagnostics": the codes that have words of their own here.
_NOT_YET, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64
_SELF_SIGNED = (18, 19, 20, 21)
_NO_TLS = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_ABOUT_CERTIFICATES = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")


def check(worker: Worker) -> str | None:
    """Why the worker does not answer now, None where nothing speaks against it.

    Raises ConfigurationError and EnvironmentLacks for what will not become right by waiting: settings, files, a name
    that does not exist, a TLS that one of the two sides refuses.
    """
    validate(worker)
    if not worker.is_tcp:
        return None
    host, port = worker.endpoint
    try:
        with socket.create_connection((host, port), PATIENCE) as plain:
            if worker.tls:
                _shake_hands(worker, plain)
            else:
                _speak_plainly(worker, plain)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            raise _lacks(worker, f"there is no host {host}", f"getent hosts {host}") from None
        return f"{host} cannot be looked up: {error.strerror}"
    except TimeoutError:
        return "no answer (timeout)"
    except ConnectionRefusedError:
        return "connection refused"
    except OSError as error:
        return error.strerror or str(error)
    return None


def _shake_hands(worker: Worker, plain: socket.socket) -> None:
    host, port = worker.endpoint
    name = worker.tls.get("servername") or host
    context = _context(worker)
    try:
        with context.wrap_socket(plain, server_hostname=name) as secured:
            _listen(secured)
    except ssl.SSLCertVerificationError as error:
        raise _unverified(worker, error, name) from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
        raise ConnectionResetError("the connection was closed") from None
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        if reason in _NO_TLS:
            raise _lacks(
                worker,
                "it does not speak TLS",
                "look at the port: is it a plain one? Then remove tls: and say insecure: yes",
            ) from None
        words = reason.replace("_", " ").lower()
        if "ALERT" in reason and any(word in reason for word in _ABOUT_CERTIFICATES):
            ours = "refuses our client certificate" if "cert" in worker.tls else "wants a client certificate"
            hint = f"openssl s_client -connect {host}:{port} -CAfile {worker.tls['ca']}"
            if "cert" in worker.tls:
                hint += f" -cert {worker.tls['cert']} -key {worker.tls['key']}"
            raise _lacks(worker, f"it {ours} ({words})", hint) from None
        raise _lacks(worker, f"no TLS with it: {words}", f"openssl s_client -connect {host}:{port}") from None


def _context(worker: Worker) -> ssl.SSLContext:
    """What Go's client does with the same files: the CA file is the only trust, common names do not count."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    ca, cert, key = (worker.tls.get(name) for name in ("ca", "cert", "key"))
    try:
        context.load_verify_locations(ca)
    except (ssl.SSLError, OSError):
        raise _lacks(worker, f"tls.ca has no certificate: {ca}", f"openssl x509 -noout -subject -in {ca}") from None
    if cert:
        try:
            context.load_cert_chain(cert, key, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            reason = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
            raise _lacks(
                worker,
                f"tls.cert and tls.key are no pair that can be used ({reason}): {cert}, {key}",
                f"openssl x509 -noout -pubkey -in {cert}; openssl pkey -pubout -in {key}    (must print the same)",
            ) from None
    return context


def _unverified(worker: Worker, error: ssl.SSLCertVerificationError, name: str) -> EnvironmentLacks:
    host, port = worker.endpoint
    show = f"openssl s_client -connect {host}:{port} </dev/null | openssl x509 -noout"
    code = error.verify_code
    if code in (_OTHER_HOST, _OTHER_ADDRESS):
        hint = (f"{show} -ext subjectAltName", "name the one it has: builders: {remote: {tls: {servername: NAME}}}")
        return _lacks(worker, f"its certificate is not for {name}", *hint)
    if code == _EXPIRED:
        return _lacks(worker, "its certificate, or its CA's, has expired", f"{show} -dates")
    if code == _NOT_YET:
        return _lacks(worker, "its certificate is not valid yet", f"{show} -dates; date")
    if code in _SELF_SIGNED:
        ca = worker.tls["ca"]
        said = f"{show} -issuer; openssl x509 -noout -subject -in {ca}"
        return _lacks(worker, f"its certificate is from an unknown CA, not that of {ca}", said)
    return _lacks(worker, f"its certificate is refused: {error.verify_message}", f"{show} -text")


def _speak_plainly(worker: Worker, plain: socket.socket) -> None:
    """A server of TLS answers a plain greeting with an alert, or, as Go's and HAProxy, by closing the connection."""
    said = _listen(plain)
    if said == bytes([_TLS_ALERT]) or (said == b"" and _answers_tls(worker)):
        raise _lacks(
            worker,
            "it speaks TLS, and plain tcp was asked for",
            "name its files: builders: {remote: {tls: {ca: /FILE, cert: /FILE, key: /FILE}}}, without insecure",
        )


def _answers_tls(worker: Worker) -> bool:
    """Whether a greeting in TLS is understood, whatever becomes of it. Nothing is said over that connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(worker.endpoint, PATIENCE) as plain:
        try:
            context.wrap_socket(plain, server_hostname=worker.endpoint[0]).close()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
            return False
        except ssl.SSLError as error:
            return error.reason not in _NO_TLS
    return True


def _listen(connection: socket.socket) -> bytes | None:
    """The first byte that the other side says, none where it closes the connection, None where it is silent."""
    connection.settimeout(_LISTENING)
    with suppress(BrokenPipeError, ConnectionResetError):
        try:
            connection.sendall(_HELLO)
            return connection.recv(1)
        except TimeoutError:
            return None
    return b""


def _lacks(worker: Worker, why: str, *hint: str) -> EnvironmentLacks:
    return EnvironmentLacks(f"{worker.address}: {why}", doing=f"connecting to the builder {worker.address}", hint=hint)
