"""How often a check waits for a target that is far away."""

from __future__ import annotations

from tests.integration.checks import check, deployed
from tests.integration.farm import Farm
from tests.integration.slow_link import slow_link

MOST = 9
"""Beside TCP's own: two for keys, one for the service, three for the login; channel, shell and program."""
STEPS = """
- {name: Settings, file: ~/settings.conf, content: port}
- {name: Deploy, package: shop, shared: [var/uploads], configure: [etc/app.conf]}
"""


def test_a_check_waits_for_nine_round_trips_at_most(farm: Farm) -> None:
    deployed(farm, STEPS)
    near = farm.hosts["web-1"]
    assert check(farm, "--limit", "web-1").code == 0
    with slow_link(near.host, near.port, round_trip_s=0.2) as link:
        known = farm.folder / "known_hosts"
        known.write_text(known.read_text() + near.known_hosts_line.replace(f":{near.port} ", f":{link.port} "))
        farm.write_inventory({"web-1": {"port": link.port}})
        assert check(farm, "--limit", "web-1").code == 0
        [waits] = link.waits
    assert waits <= MOST
