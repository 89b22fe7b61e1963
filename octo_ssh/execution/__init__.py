"""The engine: carries a run plan out over sessions."""
