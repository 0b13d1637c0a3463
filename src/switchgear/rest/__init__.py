"""What the management routes of all slices share: problems, cursors, ETags, permissions, objects, the audit log."""
