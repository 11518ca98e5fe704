"""The marketplace: scenarios, campaigns, supply (the only holder of the truth), ledger and the tick loop."""
