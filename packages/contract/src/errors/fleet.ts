/** Hosts of a fleet: joining, leases, placement. */
export const fleetErrors = {
  AllocationFailed: {
    status: 409,
    when: 'No host has room for the VM; the error lists the hosts that were ruled out, and why.',
    remedy: 'Add a host, free room on one, or use another size.',
  },
  CallNotCarried: {
    status: 403,
    when:
      'A host asked for something that no boot of the VM needs: another key or provider, another VM’s or epoch’s ' +
      'claims, or other firmware.',
    remedy: 'Run the same versions of Strongroom and of Debian’s firmware on the host as on the server.',
  },
  EventNotPlanned: {
    status: 404,
    when: 'A guest or its owner approved maintenance that is not planned, or no longer.',
    remedy: 'Read what is planned: /metadata/scheduledevents, or the VM’s instance view.',
  },
  FleetNotServed: {
    status: 409,
    when: 'The server does not listen for hosts.',
    remedy: 'Start it with --fleet-address ADDRESS:PORT.',
  },
  FleetStorageInvalid: {
    status: 400,
    when: 'The file of --fleet-storage is not valid, or Ceph refuses what it names.',
    remedy: 'See docs/guides/fleet.md for its members.',
  },
  FleetStorageOther: {
    status: 409,
    when: 'The VM’s disk, or a data disk, is in a Ceph pool that the server is not configured for or the VM does not use.',
    remedy: 'Start the server with the --fleet-storage that the VM was created with.',
  },
  HostAlreadyJoined: {
    when: 'The directory belongs to a host that has already joined.',
    remedy: 'Continue with `strongroom host run`, or join with another --dir.',
  },
  HostExists: {
    status: 409,
    when: 'A host with that name is already registered.',
    remedy: 'Remove it first, or use another name.',
  },
  HostInUse: {
    status: 409,
    when: 'The request removes a host that carries VMs.',
    remedy: 'Drain it and deallocate its VMs first.',
  },
  HostKeyInvalid: {
    status: 400,
    when: 'A joining host’s key is not of the type that hosts use.',
    remedy: 'Join with `strongroom host join`.',
  },
  HostNotAuthenticated: {
    status: 401,
    when: 'The caller did not present the certificate of a registered host.',
    remedy: 'Add the host again and join it.',
  },
  HostNotDrained: {
    status: 409,
    when: 'Other hosts have no room for the VMs of the host to drain; the error lists them and says why.',
    remedy: 'Add a host, or stop and deallocate these VMs first.',
  },
  HostNotFound: {
    status: 404,
    when: 'There is no host with that name.',
    remedy: 'List them: strongroom host list.',
  },
  HostNotJoined: {
    when: 'The directory does not belong to a joined host.',
    remedy: 'Join first: strongroom host join ADDRESS.',
  },
  HostNotManaged: {
    status: 409,
    when: 'The request adds, drains or removes the server’s own host.',
    remedy: 'Name a joined host.',
  },
  HostRuledOut: {
    when: 'Hosts that could not carry the VM, for one reason.',
    remedy: 'See the reason given for them.',
  },
  HostUnreachable: {
    status: 503,
    when: 'The joined host that carries the VM did not answer.',
    remedy: 'Try again: the VMs of a lost host are started on other hosts.',
  },
  InstanceNotProvisioned: {
    status: 409,
    when: 'The request starts a VM that its host could not create.',
    remedy: 'Delete the VM and create it again.',
  },
  InstanceNotStopped: {
    status: 409,
    when: 'The request changes a running VM on a joined host.',
    remedy: 'Deallocate the VM first.',
  },
  JoinCodeRefused: {
    status: 403,
    when: 'The join code is unknown, expired, or was used with another key.',
    remedy: 'Remove the host and add it again for another code.',
  },
  NotOnJoinedHosts: {
    status: 409,
    when: 'The VM is on a joined host, or the data disk in a Ceph pool, where this is not supported (LIMITATIONS.md).',
    remedy: 'Create the VM before a host joins, or on another installation.',
  },
  PlacementOver: {
    status: 409,
    when: 'A host asked for a VM that it does not carry, or not at that epoch.',
    remedy: 'None needed: the next heartbeat tells the host what it carries.',
  },
  StorageUnavailable: {
    status: 503,
    when: 'The Ceph cluster of joined hosts’ disks does not answer, or refuses.',
    remedy: 'Check it with `ceph status`; requests are repeated by themselves.',
  },
  ZonalAllocationFailed: {
    status: 409,
    when: 'No host of the zone has room for the VM; the error lists the hosts that were ruled out, and why.',
    remedy: 'Add a host to the zone, free room in it, or leave the zone out.',
  },
  TooManyKeys: {
    status: 429,
    when: 'A joined host asks for certificates of more keys than the restarts of a VM need.',
    remedy: 'Wait for the time in Retry-After; if the VM restarts again and again, stop it.',
  },
} as const
