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
  /** SHA-256 of its join code's secret, hexadecimal. */
  code_hash: string
  code_until: string
  created_at: string
  joined_at: string | null
  /** While it is drained: how long VMs are left on it, unless their owners decide otherwise. */
  notice_seconds: number
}

/** Separate from the host, so that a beat and a placement do not wait for each other. */
interface FleetLeaseTable {
  /** The host's id. */
  host: string
  /** The database's time. */
  until: string
}

/** A host's reservations: the row that concurrent placements compete for. */
interface FleetUseTable {
  /** The host's id. */
  host: string
  vcpus: number
  memory_mib: number
  /** How many VMs are placed on it. */
  vms: number
  /** Changes with everything the host must carry. */
  revision: number
}

/** A VM carried by joined hosts; the server's own VMs have no row. */
interface PlacementTable {
  vm_id: string
  resource_id: string
  /** The id of its host; null while it is deallocated, or waits for one. */
  host: string | null
  /** Incremented with each host; never decreases. */
  epoch: number
  /** The epoch that the vault knows: a host is never notified of a later one first. */
  fenced_epoch: number
  /** Reserved on the host. */
  vcpus: number
  memory_mib: number
  wanted: 'Running' | 'Stopped'
  /** Incremented with each requested start. */
  run: number
  /** The last choice of a host: Explanation as JSON. */
  why: string
  placed_at: string | null
  /** 1 while it is stopped in order to start on another host. */
  moving: number
  /** The set whose VMs are to be on different hosts: its id in lower case. */
  spread_set: string | null
  /** Of that set, since the last choice of a host. */
  fault_domain: number | null
  update_domain: number | null
}

/** The planned move of a VM off a host that is drained. Times are the database's. */
interface PlannedMoveTable {
  vm_id: string
  event_id: string
  /** The id of the drained host. */
  host: string
  created_at: string
  not_before: string
  /** Its owner or its guest has approved: it need not wait until `not_before`. */
  approved_at: string | null
  /** The VM was asked to stop. */
  started_at: string | null
}

/** A guest carried by joined hosts: whatever happens to a host, its VMs continue from this. */
interface CarriedVmTable {
  vm_id: string
  /** InstanceSpec as JSON, without the password hash. */
  spec: string
  /** The hash, sealed for this VM, base64. */
  password: string | null
  /** InstanceStatus as JSON, without its spec: from its host, or as requested since. */
  status: string
  /** What its next host needs, from its last one; null until it was created. */
  record: string | null
  /** AnyBootEvidence of its last boot, as JSON. */
  evidence: string | null
}

/** A data disk of a guest that joined hosts carry. */
interface CarriedDiskTable {
  /** Its id: a disk has one VM. */
  disk: string
  vm_id: string
  /** AttachedDisk as JSON. */
  attached: string
  /** 1 from the moment that it is to be detached until nothing can be written to it: it is no longer opened. */
  leaving: number
}

export interface FleetTables {
  fleet_host: FleetHostTable
  fleet_lease: FleetLeaseTable
  fleet_use: FleetUseTable
  placement: PlacementTable
  planned_move: PlannedMoveTable
  carried_vm: CarriedVmTable
  carried_disk: CarriedDiskTable
}
