import type { SubscriptionKind } from '@strongroom/contract'
import type { Db } from '../store/resources.ts'
import type { Tables } from '../store/tables.ts'

/** What a size takes of a quota. */
export interface NeededCores {
  family: string
  vCPUs: number
}

export interface Usage {
  unit: 'Count'
  currentValue: number
  limit: number
  name: { value: string; localizedValue: string }
}

/** Cores per family and region. */
export interface CoreQuotas {
  /** For one VM, or changes its reservation. Idempotent. @throws ServiceError OperationNotAllowed */
  reserve(tx: Db, o: { owner: string; region: string; size: NeededCores }): Promise<void>
  /** Whether all planned VMs together have room. @throws ServiceError OperationNotAllowed */
  assertRoom(tx: Db, o: { region: string; size: NeededCores; count: number }): Promise<void>
  release(tx: Db, owner: string): Promise<void>
  usages(region: string, virtualMachines: number): Promise<Usage[]>
  kind(): Promise<SubscriptionKind>
  setKind(kind: SubscriptionKind): Promise<void>
}

export type QuotaRequest = Tables['quota_request']

/** Where more quota is asked for, and the operator decides. */
export interface QuotaDesk {
  /** @throws ServiceError QuotaNotAvailable on a free trial, QuotaReductionNotSupported */
  ask(o: { region: string; name: string; limit: number; by: string }): Promise<QuotaRequest>
  list(region?: string): Promise<QuotaRequest[]>
  /** @throws ServiceError QuotaRequestNotFound */
  get(id: string): Promise<QuotaRequest>
  /** @throws ServiceError QuotaRequestNotFound, QuotaRequestDecided */
  decide(o: { id: string; grant: boolean; by: string; message?: string }): Promise<QuotaRequest>
}
