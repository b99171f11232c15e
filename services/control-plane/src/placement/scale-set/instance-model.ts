import { randomBytes, randomInt } from 'node:crypto'
import type { Json } from '../../store/resources.ts'

/** The model for instances. */
export interface InstanceModel {
  /** ARM id of the set. */
  id: string
  location: string
  tags: Record<string, string>
  identity?: Json
  vmSize: string
  profile: Json
}

/** What distinguishes one instance of a set from the others. */
export interface InstanceName {
  /** Eight hexadecimal digits, as in Azure: for the VM and its interfaces. */
  suffix: string
  /** Six letters and digits after the host-name prefix. */
  host: string
  zone?: string
}

const hostLetters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'

export const newInstanceName = (zone: string | undefined): InstanceName => ({
  suffix: randomBytes(4).toString('hex'),
  host: Array.from({ length: 6 }, () => hostLetters[randomInt(hostLetters.length)]).join(''),
  ...(zone !== undefined && { zone }),
})

export const groupOf = (id: string): string => id.split('/').slice(0, 5).join('/')
export const nameOf = (id: string): string => id.split('/').at(-1) ?? ''

/** A VM's name has at most 64 characters. */
export const instanceId = (set: string, { suffix }: InstanceName): string =>
  `${groupOf(set)}/providers/Microsoft.Compute/virtualMachines/${nameOf(set).slice(0, 55)}_${suffix}`
