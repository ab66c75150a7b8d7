<?xml version="1.0"?>
<!-- corosync-xmlproc: each element below <corosync> becomes a section, each attribute an option of the section it stands in. -->
<xsl:transform version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:time="http://exslt.org/dates-and-times"
               exclude-result-prefixes="time">
  <xsl:output method="text"/>
  <xsl:param name="inputfile"/>

  <xsl:template match="/">
    <xsl:value-of select="concat('# Corosync configuration file generated from ', $inputfile, ' at ', time:date-time())"/>
    <xsl:apply-templates select="corosync/@* | corosync/*"/>
    <xsl:text>&#10;</xsl:text>
  </xsl:template>

  <xsl:template match="@*">
    <xsl:param name="margin"/>
    <xsl:value-of select="concat('&#10;', $margin, name(), ': ', .)"/>
  </xsl:template>

  <xsl:template match="*">
    <xsl:param name="margin"/>
    <xsl:value-of select="concat('&#10;&#10;', $margin, name(), ' {')"/>
    <xsl:apply-templates select="@*">
      <xsl:with-param name="margin" select="concat($margin, '    ')"/>
    </xsl:apply-templates>
    <xsl:apply-templates select="*">
      <xsl:with-param name="margin" select="concat($margin, '    ')"/>
    </xsl:apply-templates>
    <xsl:value-of select="concat('&#10;', $margin, '}')"/>
  </xsl:template>
</xsl:transform>
