/** Hosts of a fleet: joining, leases, placement. */
export const fleetErrors = {
  AllocationFailed: {
    status: 409,
    when: 'No host has room for the VM; the error says which were ruled out, and why.',
    remedy: 'Add a host, free room on one, or use another size.',
  },
  CallNotCarried: {
    status: 403,
    when: 'A host asked for something that no boot of the VM needs: another key or provider, claims of another VM or epoch, other firmware.',
    remedy: 'Run the same version of Strongroom and of Debian’s firmware on the host as on the server.',
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
  HostNotDrained: {
    status: 409,
    when: 'Other hosts have no room for the VMs of a host that was to be drained; the error says which and why.',
    remedy: 'Add a host, or stop and deallocate these VMs first.',
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
  HostUnreachable: {
    status: 503,
    when: 'The joined host that carries the VM did not answer.',
    remedy: 'Ask again: a host that is lost has its VMs started on others.',
  },
  ImageChanged: {
    when: 'A file of an image has other bytes than its digest says.',
    remedy: 'Build or import the image again on the server.',
  },
  InstanceNotProvisioned: {
    status: 409,
    when: 'A VM whose host could not make it was to be started.',
    remedy: 'Delete the VM and create it again.',
  },
  InstanceNotStopped: {
    status: 409,
    when: 'A VM on a joined host was to be changed while it runs.',
    remedy: 'Deallocate the VM first.',
  },
  JoinCodeRefused: {
    status: 403,
    when: 'The join code is unknown, over, or was used with another key.',
    remedy: 'Remove the host and add it again for another code.',
  },
  NotOnJoinedHosts: {
    status: 409,
    when: 'The VM is on a joined host, where this is not done (LIMITATIONS.md).',
    remedy: 'Make the VM before a host has joined, or on another installation.',
  },
  PlacementOver: {
    status: 409,
    when: 'A host asked for a VM that it does not carry, or not at that epoch.',
    remedy: 'Nothing: the next beat says what the host carries.',
  },
  ZonalAllocationFailed: {
    status: 409,
    when: 'No host of the zone has room for the VM; the error says which were ruled out, and why.',
    remedy: 'Add a host to the zone, free room in it, or leave the zone out.',
  },
} as const
