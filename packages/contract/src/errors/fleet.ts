/** Hosts of a fleet: joining, leases, placement. */
export const fleetErrors = {
  FleetNotServed: {
    status: 409,
    when: 'The server listens for no hosts.',
    remedy: 'Start it with --fleet-address ADDRESS:PORT.',
  },
  HostAlreadyJoined: {
    when: 'The directory belongs to a host that has joined already.',
    remedy: 'Go on with `strongroom host run`, or join with another --dir.',
  },
  HostExists: {
    status: 409,
    when: 'A host of that name is in the registry.',
    remedy: 'Remove it first, or use another name.',
  },
  HostKeyInvalid: {
    status: 400,
    when: 'A joining host’s key is not one that hosts have.',
    remedy: 'Join with `strongroom host join`.',
  },
  HostNotAuthenticated: {
    status: 401,
    when: 'The caller shows no certificate of a host that is in the registry.',
    remedy: 'Add the host anew and join it.',
  },
  HostNotFound: {
    status: 404,
    when: 'There is no host of that name.',
    remedy: 'List them: strongroom host list.',
  },
  HostNotJoined: {
    when: 'The directory belongs to no host that has joined.',
    remedy: 'Join first: strongroom host join ADDRESS.',
  },
  HostNotManaged: {
    status: 409,
    when: 'The host within the server was to be added, drained or removed.',
    remedy: 'Name a host that has joined.',
  },
  JoinCodeRefused: {
    status: 403,
    when: 'The join code is unknown, over, or was used with another key.',
    remedy: 'Remove the host and add it anew for another code.',
  },
} as const
