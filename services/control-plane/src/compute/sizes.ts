import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Tee } from '@strongroom/contract'
import { findRegion } from './regions.ts'

export interface Size {
  name: string
  series: string
  tee: Tee
  /** Quota family; its case is part of the name. */
  family: string
  vCPUs: number
  memoryGiB: number
  tempGiB: number
  tempDisks: number
  maxDataDisks: number
  maxNics: number
  networkMbps: number
  /** IOPS/MBps of uncached disks. */
  uncached: string
  ephemeralOsDisk: boolean
}

let loaded: Size[] | undefined

/** All sizes that confidential VMs can have; the regions say where. */
export function allSizes(): Size[] {
  loaded ??= JSON.parse(readFileSync(join(import.meta.dirname, 'sizes.json'), 'utf8')) as Size[]
  return loaded
}

export const findSize = (name: string): Size | undefined =>
  allSizes().find((size) => size.name.toLowerCase() === name.toLowerCase())

export const isOffered = (size: Size, location: string): boolean =>
  findRegion(location)?.series.includes(size.series) ?? false

/** A size whose name has the letters of confidential series, whether we have it or not. */
export const looksOrdinary = (name: string): boolean => !/^Standard_(DC|EC|NCC)\d+/i.test(name)
