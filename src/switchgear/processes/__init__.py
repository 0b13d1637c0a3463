"""The processes of a running Switchgear: a supervisor, gateways, a control process."""
