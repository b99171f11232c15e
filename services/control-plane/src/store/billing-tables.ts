interface UsageIntervalTable {
  id: string
  /** Key of the resource whose row decides. */
  owner: string
  resource_id: string
  /** ARM id of the VM it belongs to; empty if none. */
  vm_id: string
  region: string
  meter: string
  sku: string
  quantity: number
  /** Record as JSON. */
  tags: string
  started_at: string
  ended_at: string | null
}

interface MeterAnchorTable {
  /** Elapsed.era of the host's clock. */
  era: string
  at: string
  /** Milliseconds as text: they exceed a 32-bit integer. */
  elapsed: string
}

interface SettingTable {
  name: string
  value: string
}

interface QuotaRequestTable {
  id: string
  region: string
  name: string
  limit_value: number
  state: 'InProgress' | 'Succeeded' | 'Failed'
  message: string
  asked_by: string
  asked_at: string
  decided_by: string | null
  decided_at: string | null
}

export interface BillingTables {
  usage_interval: UsageIntervalTable
  meter_anchor: MeterAnchorTable
  setting: SettingTable
  quota_request: QuotaRequestTable
}
