"""The commands of `resin`: arguments in, a result out."""
