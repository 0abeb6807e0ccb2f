"""Carries out a plan: check, act, read back from the running daemon; a journal lets a killed run reach the same end."""
