/** Hosts of a fleet: joining, leases, placement. */
export const fleetErrors = {
  AllocationFailed: {
    status: 409,
    when: 'No host has room for the VM; the error says which were ruled out, and why.',
    remedy: 'Add a host, free room on one, or use another size.',
  },
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
  HostInUse: {
    status: 409,
    when: 'A host that carries VMs was to be removed.',
    remedy: 'Drain it and deallocate its VMs first.',
  },
  HostKeyInvalid: {
    status: 400,
    when: 'A joining host’s key is not one that hosts have.',
    remedy: 'Join with `strongroom host join`.',
  },
  HostNotAuthenticated: {
    status: 401,
    when: 'The caller shows no certificate of a host that is in the registry.',
    remedy: 'Add the host again and join it.',
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
  HostRuledOut: {
    when: 'Hosts that could not carry the VM, by one reason.',
    remedy: 'See what is said of them.',
  },
  JoinCodeRefused: {
    status: 403,
    when: 'The join code is unknown, over, or was used with another key.',
    remedy: 'Remove the host and add it again for another code.',
  },
  ZonalAllocationFailed: {
    status: 409,
    when: 'No host of the zone has room for the VM; the error says which were ruled out, and why.',
    remedy: 'Add a host to the zone, free room in it, or leave the zone out.',
  },
} as const
