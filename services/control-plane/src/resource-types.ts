import { resourceTypeFiles } from './resource-type-files.ts'
import { ResourceTypes } from './types/registry.ts'
import type { ResourceType } from './types/resource-type.ts'

const described = await Promise.all(
  resourceTypeFiles().map(
    async (file) => (await import(/* @vite-ignore */ `./${file}`)) as { resourceTypes: readonly ResourceType[] },
  ),
)

/** Every resource type of this installation. */
export const resourceTypes: ResourceTypes = new ResourceTypes(described.flatMap((each) => each.resourceTypes))
