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

interface BudgetTable {
  /** Lower-case scope and name; the display members keep their case. */
  scope: string
  name: string
  display_scope: string
  display_name: string
  /** Budget as JSON. */
  definition: string
  etag: string
  created_at: string
}

interface BudgetAlertTable {
  id: string
  /** Of the budget. */
  scope: string
  budget: string
  /** Name of the notification whose threshold was reached. */
  notification: string
  /** First day of the period, YYYY-MM-DD. */
  period: string
  /** What the alert shows, as JSON. */
  details: string
  raised_at: string
}

export interface BillingTables {
  budget: BudgetTable
  budget_alert: BudgetAlertTable
  usage_interval: UsageIntervalTable
  meter_anchor: MeterAnchorTable
  setting: SettingTable
  quota_request: QuotaRequestTable
}
