"""What a make of device looks like on the bus: profiles as data, and their loader."""

from softsplit.profiles.loader import load_profile, shipped_profiles
from softsplit.profiles.profile import Identify, Profile, Register

__all__ = ["Identify", "Profile", "Register", "load_profile", "shipped_profiles"]
