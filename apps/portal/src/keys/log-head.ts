import { keep, readKept } from '../kept/kept.ts'

/** The head of a log as this browser last verified it: the vault's key and the signed note. */
export interface LogHead {
  key: string
  checkpoint: string
}

/** Why a log is not trusted. */
export interface Distrust {
  code: string
  message: string
  expected?: string | undefined
  found?: string | undefined
}

export const headPlace = (tenant: string, vault: string): string => `strongroom.log-head.${tenant}.${vault}`

/** @throws KeptDamaged */
export const readHead = (tenant: string, vault: string): LogHead | undefined =>
  readKept<LogHead>(
    headPlace(tenant, vault),
    ({ key, checkpoint }) => typeof key === 'string' && typeof checkpoint === 'string',
  )

export const keepHead = (tenant: string, vault: string, head: LogHead): void => keep(headPlace(tenant, vault), head)
