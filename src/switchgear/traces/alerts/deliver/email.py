"""E-mail over SMTP, encrypted unless the server is on this machine; in a thread, for the library waits."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, Literal

from msgspec import Struct

from switchgear.traces.alerts.notice import Notice, Outcome

_TIMEOUT_SECONDS: Final = 30.0
_PERMANENT: Final = 500
_MAX_SUBJECT: Final = 200

Encryption = Literal["starttls", "tls", "none"]


class Server(Struct, frozen=True, kw_only=True):
    """Who takes the mail, and how it is reached."""

    host: str
    port: int
    encryption: Encryption = "starttls"
    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    """None: the system's certificate authorities."""


class Email:
    """Sends one mail to all of ``to``."""

    def __init__(self, server: Server, sender: str, to: tuple[str, ...]) -> None:
        self._server = server
        self._sender = sender
        self._to = to

    async def __call__(self, notice: Notice) -> Outcome:
        return await asyncio.to_thread(self._send, notice)

    def _send(self, notice: Notice) -> Outcome:
        server = self._server
        where = f"{server.host}:{server.port}"
        try:
            with self._connection() as connection:
                refused = connection.send_message(letter(notice, self._sender, self._to))
        except smtplib.SMTPResponseException as error:
            # What the server says may repeat what it was told.
            text = f"{where} answered {error.smtp_code}"
            return Outcome(sent=False, status=error.smtp_code, error=text, again=error.smtp_code < _PERMANENT)
        except smtplib.SMTPRecipientsRefused:
            return Outcome(sent=False, error=f"{where} takes mail to none of the addresses")
        except smtplib.SMTPNotSupportedError:
            return Outcome(sent=False, error=f"{where} offers no STARTTLS, or no login", again=False)
        except (OSError, smtplib.SMTPException) as error:
            return Outcome(sent=False, error=f"{where}: {type(error).__name__}")
        return Outcome(sent=True, error=f"refused for {', '.join(sorted(refused))}" if refused else "")

    def _connection(self) -> smtplib.SMTP:
        """Raises OSError or SMTPException."""
        server = self._server
        context = server.tls or ssl.create_default_context()
        if server.encryption == "tls":
            opened: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_SECONDS, context=context)
        else:
            opened = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_SECONDS)
        try:
            if server.encryption == "starttls":
                opened.starttls(context=context)
            if server.user:
                opened.login(server.user, server.password)
        except BaseException:
            opened.close()
            raise
        return opened


def letter(notice: Notice, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """The mail."""
    made = EmailMessage()
    # A name may come from a span, and a line break would begin another header.
    made["Subject"] = " ".join(notice.subject.split())[:_MAX_SUBJECT]
    made["From"] = sender
    made["To"] = ", ".join(to)
    made["Date"] = format_datetime(notice.moment)
    made["Message-ID"] = f"<{notice.id}@switchgear>"
    made["X-Switchgear-Alert"] = notice.episode
    made.set_content("\n".join(notice.lines) + "\n")
    return made
