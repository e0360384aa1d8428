"""Why a wire is silent, or answers what nobody asked: the causes, in words."""
