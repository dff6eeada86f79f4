"""What the agency hands to a client: the tracking kit, its check, and the onboarding checklist. Rows TRK, CNV-08, TEN-16 to 21."""
