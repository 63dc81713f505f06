"""What this workstation lacks for each verb: small checks, each of which gives one finding."""
