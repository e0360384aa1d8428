"""Profiles of devices as data, and their loader."""

from softsplit.profiles.loader import load_profile, shipped_profiles
from softsplit.profiles.profile import Identify, Profile, Register

__all__ = ["Identify", "Profile", "Register", "load_profile", "shipped_profiles"]
