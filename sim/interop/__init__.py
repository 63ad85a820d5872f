"""Bridges to other libraries; each needs an extra of its own, and nothing else imports them."""
