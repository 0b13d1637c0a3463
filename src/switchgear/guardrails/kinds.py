"""What can be found by its form, by the names that a configuration calls it by."""

from typing import Literal

Kind = Literal["email", "phone", "card", "iban", "ip_address", "us_ssn", "secret"]
