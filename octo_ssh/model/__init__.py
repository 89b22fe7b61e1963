"""Frozen types that everything speaks: inventory, plan, steps, outcomes, events. No I/O, no clock, no asyncio."""
