"""One file to a revision, in one line; a revision that was released is never changed."""
