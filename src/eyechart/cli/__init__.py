"""The command line: one file per command, each with ``add(app)``; heavy imports wait for the command."""
