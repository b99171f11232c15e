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

export interface FleetTables {
  fleet_host: FleetHostTable
  fleet_lease: FleetLeaseTable
}
