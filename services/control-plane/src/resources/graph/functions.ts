import type { Fuel } from '@strongroom/platform'
import { isEmpty, textOf } from './values.ts'

type Function = (args: readonly unknown[], fuel: Fuel) => unknown

/** The scalar functions of the Kusto Query Language that clients use here. None makes a text longer than what it reads. */
export const functions: ReadonlyMap<string, Function> = new Map<string, Function>([
  ['not', ([value]) => value !== true],
  ['isempty', ([value]) => isEmpty(value)],
  ['isnull', ([value]) => isEmpty(value)],
  ['isnotempty', ([value]) => !isEmpty(value)],
  ['isnotnull', ([value]) => !isEmpty(value)],
  ['tostring', ([value], fuel) => textOf(value, fuel)],
  ['tolower', ([value], fuel) => textOf(value, fuel).toLowerCase()],
])
