import { globSync } from 'node:fs'
import { ResourceTypes } from './types/registry.ts'
import type { ResourceType } from './types/resource-type.ts'

/** Descriptions are found by the names of their files: a new type touches its own folder and no list. */
const files = globSync('**/*.type.{ts,js}', { cwd: import.meta.dirname }).toSorted()
const described = await Promise.all(
  files.map(
    async (file) => (await import(/* @vite-ignore */ `./${file}`)) as { resourceTypes: readonly ResourceType[] },
  ),
)

/** Every resource type of this installation. */
export const resourceTypes: ResourceTypes = new ResourceTypes(described.flatMap((each) => each.resourceTypes))
