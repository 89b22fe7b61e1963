"""Inventory, plan and what was observed become the plan of a run. Pure: no I/O, no clock, no asyncio."""
