metadata description = 'Who the app is, and what stands in for a secret where people sign in. Two, so that a right of the one is none of the other.'

@description('Required. Region.')
param location string

@description('Required. Tags of all resources.')
param tags object

@description('Required. What makes names unique.')
param token string

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-stopgap-${token}'
  location: location
  tags: tags
}

// Has no roles: the app registration trusts it, and nothing else does.
resource signIn 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-stopgap-sign-in-${token}'
  location: location
  tags: tags
}

@description('Name of the identity that the app asks Azure by.')
output appName string = app.name

@description('Its object id.')
output appPrincipalId string = app.properties.principalId

@description('Name of the identity that the app registration trusts.')
output signInName string = signIn.name

@description('Its object id.')
output signInPrincipalId string = signIn.properties.principalId
