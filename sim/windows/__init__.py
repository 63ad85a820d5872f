"""The engine for large networks in which every recurrent projection has a delay."""
