"""Commands about networks that were trained: pages, and listening."""
