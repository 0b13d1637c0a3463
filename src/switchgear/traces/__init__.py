"""What happened: the journal of finished calls, the Record stage that writes it, and the counts made of it."""
