/** Usage and cost on the resource manager's wire: stated by `managerWire` (wires/manager/manager-wire.ts). */
export type { MeterKind, PriceItem, PriceList, PriceUnit } from './wires/manager/billing.ts'
export type { SubscriptionKind } from './wires/manager/quota.ts'
