"""A little SQLite client: `sql.py DATABASE STATEMENT`, or `sql.py DATABASE --migration NAME FILE`."""

import sqlite3
import sys

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
if sys.argv[2] == "--migration":
    name, path = sys.argv[3:]
    if not connection.execute("SELECT 1 FROM migrations WHERE name = ?", (name,)).fetchone():
        with open(path) as script:
            text = script.read()
        connection.executescript(f"BEGIN; {text}; INSERT INTO migrations VALUES ('{name}'); COMMIT;")
        print(f"{name}: done")
else:
    for row in connection.execute(sys.argv[2]):
        print(*row)
