"""Columns that look as if they were about a person, known by their names alone."""

from __future__ import annotations

import re

from lakehouse.scaffold.naming import lake_name

# Each is looked for among the words of a column's name, joined by underscores, with one before and after.
PERSONAL = {
    "a name": r"_(first|last|full|middle|given|family|maiden|sur|nick|contact|user|customer|person|holder)_?name_",
    "a mail address": r"_(e_?)?mail(_?address)?_",
    "a phone number": r"_(tele)?phone|_(mobile|cell|fax|tel|msisdn)_",
    "a birth date": r"_(birth|birthday|birthdate|dob|date_of_birth|born)_",
    "an address": r"_(address\d*|street|postal_?code|post_?code|zip_?code|zip|house_?number|latitude|longitude)_",
    "an identity number": r"_(ssn|passport|national_?id|tax_?id|social_security|iban|card_?number|license_?number)_",
    "a secret": r"_(password|passwd|pwd|password_hash|secret|token|pin)_",
    "an internet address": r"_(ip|ip_?address|mac_?address|user_?agent|device_?id)_",
    "about a person": r"_(gender|sex|religion|ethnicity|marital_?status|nationality|salary|photo|signature)_",
}


def looks_personal(column: str) -> str | None:
    """What kind of personal data the column's name suggests, or None."""
    words = f"_{lake_name(column, '')}_"
    return next((what for what, pattern in PERSONAL.items() if re.search(pattern, words)), None)
