"""Is an attacked network as robust as it looks, or does it only hide from the attack? Twenty tests, one verdict."""

from corank.attack.audit.rows import Audited, Row
from corank.attack.audit.running import audit

__all__ = ["Audited", "Row", "audit"]
