"""Trials that refute: searches, the ladder that a jump must climb, and their records."""
