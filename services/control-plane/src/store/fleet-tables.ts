/** A host that the operator added. */
interface FleetHostTable {
  name: string
  /** GUID in lower case: the subject of its certificate. */
  id: string
  region: string
  zone: string | null
  /** Tee[] as JSON. */
  tees: string
  /** Record of texts as JSON. */
  labels: string
  vcpus: number
  memory_mib: number
  state: 'Invited' | 'Ready' | 'Draining'
  /** SHA-256 of the SubjectPublicKeyInfo of its key, hexadecimal, once it has joined. */
  key: string | null
  /** SHA-256 of the secret of its join code, hexadecimal. */
  code_hash: string
  code_until: string
  created_at: string
  joined_at: string | null
}

/** Beside the host, so that a beat and a placement do not wait for each other. */
interface FleetLeaseTable {
  /** The host's id. */
  host: string
  /** The database's time. */
  until: string
}

/** What is reserved on a host: the row that two placements at once compete for. */
interface FleetUseTable {
  /** The host's id. */
  host: string
  vcpus: number
  memory_mib: number
  /** Another one with each change of what the host is to carry. */
  revision: number
}

/** A VM that joined hosts carry; one of the server's own host has no row. */
interface PlacementTable {
  vm_id: string
  resource_id: string
  /** The id of the host that carries it; none while it is deallocated, or waits for one. */
  host: string | null
  /** One above the last with each host; never less. */
  epoch: number
  /** The epoch that the vault has been told of: no host is told of a later one before. */
  fenced_epoch: number
  /** Reserved on the host. */
  vcpus: number
  memory_mib: number
  wanted: 'Running' | 'Stopped'
  /** One above the last with each start that was asked for. */
  run: number
  /** The last choice of a host: Explanation as JSON. */
  why: string
  placed_at: string | null
  /** 1 while it is stopped to be started on another host. */
  moving: number
}

/** A guest that joined hosts carry: whatever becomes of a host, this is what its VMs go on from. */
interface CarriedVmTable {
  vm_id: string
  /** InstanceSpec as JSON, without the hash of a password. */
  spec: string
  /** The hash, sealed for this VM, base64. */
  password: string | null
  /** InstanceStatus as JSON, without its spec: as its host has said, or as was asked for since. */
  status: string
  /** What its next host needs, as its last one had it; none until it was made. */
  record: string | null
  /** AnyBootEvidence of its last boot, as JSON. */
  evidence: string | null
}

export interface FleetTables {
  fleet_host: FleetHostTable
  fleet_lease: FleetLeaseTable
  fleet_use: FleetUseTable
  placement: PlacementTable
  carried_vm: CarriedVmTable
}
