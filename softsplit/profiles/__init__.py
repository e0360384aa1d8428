"""Profiles of devices as data, and their loader."""

from softsplit.profiles.conditions import Sign, Where
from softsplit.profiles.identify import Identify, Named
from softsplit.profiles.joining import Answer, Said
from softsplit.profiles.loader import load_profile, shipped_profiles
from softsplit.profiles.profile import Profile
from softsplit.profiles.register import Register

__all__ = ["Answer", "Identify", "Named", "Profile", "Register", "Said", "Sign", "Where", "load_profile",
           "shipped_profiles"]
