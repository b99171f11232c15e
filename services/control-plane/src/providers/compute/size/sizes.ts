import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AnySpec, Tee } from '@strongroom/contract'
import { findRegion } from '../../../arm/regions.ts'

export interface Size {
  name: string
  series: string
  /** The technology that excludes the host; absent for ordinary sizes, which carry Standard and TrustedLaunch VMs. */
  tee?: Tee
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

/**
 * How many disks or interfaces of a VM a request may name: more than any size has, so that what is refused is named
 * with the size's own maximum, and few enough to look each up.
 */
export const mostOfVm = 100

/** As sent to the host. */
export function hostSize(size: Size): AnySpec['size'] {
  const temporary = size.tempGiB > 0 && { temporaryGiB: size.tempGiB }
  return { name: size.name, vCPUs: size.vCPUs, memoryMiB: size.memoryGiB * 1024, ...temporary }
}

let loaded: Size[] | undefined

const read = (file: string): Size[] => JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8')) as Size[]

/** All sizes: those of confidential VMs, then the ordinary ones. */
export function allSizes(): Size[] {
  loaded ??= [...read('sizes.json'), ...read('ordinary-sizes.json')]
  return loaded
}

export const findSize = (name: string): Size | undefined =>
  allSizes().find((size) => size.name.toLowerCase() === name.toLowerCase())

/** The regions list where confidential sizes are; ordinary ones are everywhere. */
export function isOffered(size: Size, location: string): boolean {
  const region = findRegion(location)
  return region !== undefined && (size.tee === undefined || region.series.includes(size.series))
}
